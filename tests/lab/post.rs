//! A mail server on a host, which takes everything and remembers it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use nix::sched::{CloneFlags, setns};

use super::network::Host;

/// Serves until the test program ends.
pub(crate) struct Post(Arc<Mutex<Vec<Conversation>>>);

/// All that a client said on one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conversation {
    /// Its commands.
    pub(crate) commands: Vec<String>,
    letters: Vec<String>,
}

/// A letter that was delivered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Letter {
    /// Lines that were folded are one again.
    pub(crate) fields: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Post {
    /// On port 25 of all addresses of the host.
    pub(crate) fn open(host: &Host) -> Self {
        let conversations = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&conversations);
        let namespace = File::open(format!("/run/netns/{}", host.namespace()));
        let namespace = namespace.expect("the host has a namespace");
        let (opened, is_open) = mpsc::channel();
        thread::spawn(move || {
            setns(&namespace, CloneFlags::CLONE_NEWNET).expect("we are root");
            let listener = TcpListener::bind("0.0.0.0:25").expect("the port is free");
            opened.send(()).expect("somebody waits for it");
            for client in listener.incoming().flatten() {
                let list = Arc::clone(&list);
                thread::spawn(move || {
                    let mut conversation = Conversation::default();
                    // Who leaves in the middle has said what it has said.
                    let _ = serve(&client, &mut conversation);
                    list.lock()
                        .expect("nobody panics with it")
                        .push(conversation);
                });
            }
        });
        is_open.recv().expect("it opens");
        Self(conversations)
    }

    pub(crate) fn conversations(&self) -> Vec<Conversation> {
        self.0.lock().expect("nobody panics with it").clone()
    }

    pub(crate) fn letters(&self) -> Vec<Letter> {
        let conversations = self.conversations();
        let letters = conversations.iter().flat_map(|all| &all.letters);
        letters.map(|text| letter(text)).collect()
    }

    /// Whether a letter with these words in its subject has come, so many times.
    pub(crate) fn count(&self, words: &str) -> usize {
        let letters = self.letters();
        let subjects = letters
            .iter()
            .filter_map(|letter| letter.fields.get("Subject"));
        subjects.filter(|subject| subject.contains(words)).count()
    }
}

fn serve(client: &TcpStream, conversation: &mut Conversation) -> std::io::Result<()> {
    let mut answers = client.try_clone()?;
    // As friendly as real ones.
    answers.write_all(b"220-post.example.org ESMTP\r\n220 at your service\r\n")?;
    let mut letter: Option<String> = None;
    for line in BufReader::new(client).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        let line = line.strip_suffix('\r').expect("lines end with CR LF");
        let answer = match &mut letter {
            Some(text) if line == "." => {
                conversation.letters.push(std::mem::take(text));
                letter = None;
                "250 taken"
            }
            Some(text) => {
                text.push_str(line.strip_prefix('.').unwrap_or(line));
                text.push('\n');
                continue;
            }
            None => {
                conversation.commands.push(line.to_owned());
                match line {
                    "DATA" => {
                        letter = Some(String::new());
                        "354 go on"
                    }
                    "QUIT" => "221 bye",
                    _ => "250 fine",
                }
            }
        };
        answers.write_all(format!("{answer}\r\n").as_bytes())?;
    }
    Ok(())
}

fn letter(text: &str) -> Letter {
    let unfolded = text.replace("\n ", " ");
    let (head, body) = unfolded.split_once("\n\n").unwrap_or((&unfolded, ""));
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Letter {
        fields: fields.collect(),
        body: body.to_owned(),
    }
}
