//! What is watched, and by whom, as text.

use super::{Printer, quoted};
use crate::config::bfd::{Bfd, BfdTells};
use crate::config::track::{
    ParameterMatch, TrackFile, TrackProcess, Tracked, Tracks, Trial, VrrpScript, Weight,
};
use crate::config::{Config, value};

impl Printer {
    pub(super) fn watched(&mut self, config: &Config) {
        for script in &config.scripts {
            self.script(script);
        }
        for process in &config.processes {
            self.track_process(process);
        }
        for file in &config.files {
            self.track_file(file);
        }
        for bfd in &config.bfds {
            self.bfd(bfd);
        }
    }

    fn script(&mut self, script: &VrrpScript) {
        self.open(format_args!("vrrp_script {}", quoted(&script.name)));
        match &script.trial {
            Trial::Reach(reach) => self.line(reach),
            Trial::Run(script) => {
                let mut command = script.clone();
                let user = command.user.take();
                self.word("script", command);
                self.maybe("user", user);
            }
        }
        self.seconds("interval", script.interval);
        self.seconds("timeout", script.timeout);
        self.weight(script.weight);
        self.word("rise", script.rise);
        self.word("fall", script.fall);
        self.flag("init_fail", script.starts_down);
        self.close();
    }

    fn track_process(&mut self, process: &TrackProcess) {
        self.open(format_args!("vrrp_track_process {}", quoted(&process.name)));
        let words: Vec<&str> = process.process.iter().map(String::as_str).collect();
        self.words("process", &words);
        match process.parameters {
            ParameterMatch::Any => {}
            ParameterMatch::Exact => self.line("param_match"),
            ParameterMatch::Initial => self.line("param_match initial"),
            ParameterMatch::Partial => self.line("param_match partial"),
        }
        self.flag("full_command", process.full_command);
        self.weight(process.weight);
        // None at all is said by quorum_max.
        self.maybe("quorum", Some(process.quorum).filter(|quorum| *quorum > 0));
        self.maybe("quorum_max", process.quorum_max);
        for (keyword, delay) in [
            ("terminate_delay", process.terminate_delay),
            ("fork_delay", process.fork_delay),
        ] {
            if !delay.is_zero() {
                self.seconds(keyword, delay);
            }
        }
        self.close();
    }

    fn track_file(&mut self, file: &TrackFile) {
        self.open(format_args!("track_file {}", quoted(&file.name)));
        self.word("file", quoted(&file.path));
        self.weight(file.weight);
        if let Some(initial) = file.initial {
            let overwrite = if initial.overwrite { " overwrite" } else { "" };
            self.line(format_args!("init_file {}{overwrite}", initial.value));
        }
        self.close();
    }

    fn bfd(&mut self, bfd: &Bfd) {
        let millis = |duration: std::time::Duration| value::print_seconds(duration * 1000);
        self.open(format_args!("bfd_instance {}", quoted(&bfd.name)));
        self.maybe("source_ip", bfd.source);
        self.word("neighbor_ip", bfd.neighbour);
        self.word("min_rx", millis(bfd.min_rx));
        self.word("min_tx", millis(bfd.min_tx));
        self.word("idle_tx", millis(bfd.idle_tx));
        self.word("multiplier", bfd.multiplier);
        self.flag("passive", bfd.passive);
        self.word("ttl", bfd.ttl);
        self.word("max_hops", bfd.max_hops);
        self.flag("multihop", bfd.multihop);
        self.weight(bfd.weight);
        match bfd.tells {
            BfdTells::Both => {}
            BfdTells::Vrrp => self.line("vrrp"),
            BfdTells::Checker => self.line("checker"),
        }
        self.close();
    }

    fn weight(&mut self, weight: Weight) {
        let reverse = if weight.reverse { " reverse" } else { "" };
        self.line(format_args!("weight {}{reverse}", weight.value));
    }

    pub(super) fn tracks(&mut self, tracks: &Tracks) {
        for (keyword, list) in [
            ("track_interface", &tracks.interfaces),
            ("track_script", &tracks.scripts),
            ("track_file", &tracks.files),
            ("track_process", &tracks.processes),
            ("track_bfd", &tracks.bfds),
        ] {
            self.tracked(keyword, list);
        }
    }

    fn tracked(&mut self, keyword: &str, list: &[Tracked]) {
        if list.is_empty() {
            return;
        }
        self.open(keyword);
        for Tracked { name, weight } in list {
            let reverse = if weight.reverse { " reverse" } else { "" };
            let name = quoted(name);
            self.line(format_args!("{name} weight {}{reverse}", weight.value));
        }
        self.close();
    }
}
