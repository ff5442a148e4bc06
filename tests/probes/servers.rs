//! Servers of one behaviour each, in the namespace of the thread that starts them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// What is done with a connection.
pub(crate) type Behaviour = fn(TcpStream);

/// Accepts for ever.
pub(crate) fn serve(address: &str, behave: Behaviour) {
    let listener = TcpListener::bind(address).unwrap();
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            thread::spawn(move || behave(connection));
        }
    });
}

/// A request up to its empty line.
pub(crate) fn hear_request(connection: &mut TcpStream) {
    let mut heard = Vec::new();
    let mut octet = [0];
    while !heard.ends_with(b"\r\n\r\n") && connection.read(&mut octet).is_ok_and(|n| n == 1) {
        heard.push(octet[0]);
    }
}

pub(crate) fn say(connection: &mut TcpStream, text: &[u8]) {
    let _ = connection.write_all(text);
}

/// Listens until the other side has gone, and says nothing.
pub(crate) fn linger(mut connection: TcpStream) {
    while connection.read(&mut [0; 512]).is_ok_and(|count| count > 0) {}
}
