//! The scripts that go to the machines: init script, real server, sample configuration.

use std::fs;
use std::process::Stdio;

use super::daemon::Make;
use super::network::{Host, Lab};

crate::scenarios!(
    Namespaces,
    the_init_script_starts_reloads_and_stops,
    the_real_server_script_can_be_run_twice_and_puts_everything_back,
    the_sample_configuration_passes_the_test,
);

const INIT: &str = include_str!("../../scripts/init.d/keepalived");
const REALSERVER: &str = include_str!("../../scripts/realserver");
const SAMPLE: &str = include_str!("../../scripts/samples/keepalived.conf");
const SYSCONFIG: &str = include_str!("../../scripts/sysconfig/keepalived");

const CONFIG: &str = "
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    virtual_ipaddress {
        192.168.16.20
    }
}
";

/// Verbs with the exit status that LSB asks for; `!` lines change the machine in between.
const INIT_STORY: &str = "
!cp /etc/keepalived/keepalived.conf /etc/other.conf
status 3
start 0
status 0
start 0
configtest 0
reload 0
restart 0
condrestart 0
!echo 'vrrp_instance { priority }' >/etc/keepalived/keepalived.conf
configtest not-0
reload not-0
restart not-0
status 0
stop 0
status 3
stop 0
condrestart 0
status 3
!rm /etc/keepalived/keepalived.conf
start 6
!echo 'KEEPALIVED_OPTIONS=\"-D -f /etc/other.conf --pid=/run/other.pid\"' >/etc/sysconfig/keepalived
start 0
!test -s /run/other.pid -a ! -e /run/keepalived.pid || exit 1
status 0
reload 0
stop 0
status 3
unheard-of 2
";

/// Gives the machine `/etc` and `/run` of its own and plays the story of standard input.
const INIT_PLAYER: &str = r#"
mount --bind "$0/etc" /etc && mount --bind "$0/run" /run || exit 1
while read -r verb wanted; do
    case $verb in
        '') continue ;;
        !*) eval "${verb#!} $wanted"; continue ;;
    esac
    text=$("$0/init" $verb 2>&1)
    status=$?
    [ "$wanted" = not-0 ] && [ $status -ne 0 ] && status=not-0
    echo "$verb: $status $text"
    [ "$status" = "$wanted" ] || { echo "wanted status $wanted"; exit 1; }
done
"#;

fn the_init_script_starts_reloads_and_stops() {
    let mut lab = Lab::new();
    let host = lab.host("director", "192.168.16.21/24");
    for directory in ["etc/keepalived", "etc/sysconfig", "etc/default", "run"] {
        fs::create_dir_all(host.directory.join(directory)).expect("the directory is writable");
    }
    host.write("etc/keepalived/keepalived.conf", CONFIG);
    host.write("etc/sysconfig/keepalived", SYSCONFIG);
    let program = fs::canonicalize(Make::Ours.program()).expect("the binary is there");
    host.write(
        "etc/default/keepalived",
        &format!("DAEMON={}\n", program.display()),
    );
    executable(&host, "init", INIT);

    let directory = host.directory.to_str().expect("UTF-8");
    let story = host.write("story", INIT_STORY);
    let mut command = host.command(&["sh", "-c", INIT_PLAYER, directory]);
    command.stdin(fs::File::open(story).expect("it was just written"));
    let result = command
        .stderr(Stdio::inherit())
        .output()
        .expect("ip is installed");
    let text = String::from_utf8_lossy(&result.stdout);
    assert!(result.status.success(), "{text}");
    assert!(text.contains("is running"), "{text}");
}

fn the_real_server_script_can_be_run_twice_and_puts_everything_back() {
    let mut lab = Lab::new();
    let host = lab.host("node", "192.168.16.2/24");
    let before = settings(&host);
    realserver(&host, &["start", "192.168.16.20", "192.168.16.30"]);
    realserver(&host, &["start", "192.168.16.20"]);
    let lo = host.ip(&["-4", "-o", "address", "show", "dev", "lo"]);
    assert_eq!(lo.matches("192.168.16.20/32").count(), 1, "{lo}");
    assert_eq!(settings(&host), "1\n1\n2\n2\n");

    // One of two: the settings are still needed.
    realserver(&host, &["stop", "192.168.16.30"]);
    assert_eq!(settings(&host), "1\n1\n2\n2\n");
    realserver(&host, &["stop", "192.168.16.20"]);
    realserver(&host, &["stop", "192.168.16.20"]);
    assert_eq!(settings(&host), before);
    let lo = host.ip(&["-4", "-o", "address", "show", "dev", "lo"]);
    assert!(!lo.contains("192.168.16"), "{lo}");
}

fn the_sample_configuration_passes_the_test() {
    let mut lab = Lab::new();
    let host = lab.host("director", "192.168.16.21/24");
    let config = host.write("sample.conf", SAMPLE);
    let program = Make::Ours.program();
    let (status, text) = host.try_run(&[&program, "-t", "-f", config.to_str().expect("UTF-8")]);
    assert_eq!((status, text.as_str()), (Some(0), ""));
}

/// Runs scripts/realserver on a host; its memory is in the host's directory.
pub(crate) fn realserver(host: &Host, words: &[&str]) -> String {
    let script = executable(host, "realserver", REALSERVER);
    let saved = format!(
        "REALSERVER_SAVED={}",
        host.directory.join("saved").display()
    );
    host.run(&[&["env", &saved, &script], words].concat())
}

fn settings(host: &Host) -> String {
    let conf = "/proc/sys/net/ipv4/conf";
    let files = [
        "all/arp_ignore",
        "lo/arp_ignore",
        "all/arp_announce",
        "lo/arp_announce",
    ];
    files
        .iter()
        .map(|file| host.run(&["cat", &format!("{conf}/{file}")]))
        .collect()
}

fn executable(host: &Host, name: &str, text: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = host.write(name, text);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is our file");
    path.display().to_string()
}
