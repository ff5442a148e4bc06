//! Servers of one behaviour each, in the namespace of the thread that starts them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

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

/// Answers datagrams for ever; None is silence.
pub(crate) fn datagrams(address: &str, answer: fn(&[u8]) -> Option<Vec<u8>>) {
    let socket = UdpSocket::bind(address).unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            if let Some(reply) = answer(&buffer[..length]) {
                let _ = socket.send_to(&reply, from);
            }
        }
    });
}

/// A request up to its empty line.
pub(crate) fn hear_request(connection: &mut TcpStream) {
    hear_until(connection, b"\r\n\r\n");
}

pub(crate) fn hear_line(connection: &mut TcpStream) {
    hear_until(connection, b"\r\n");
}

fn hear_until(connection: &mut TcpStream, end: &[u8]) {
    let mut heard = Vec::new();
    let mut octet = [0];
    while !heard.ends_with(end) && connection.read(&mut octet).is_ok_and(|count| count == 1) {
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

/// Again and again, until nobody listens.
pub(crate) fn repeat(connection: &mut TcpStream, text: &[u8], pause: Duration) {
    while connection.write_all(text).is_ok() {
        thread::sleep(pause);
    }
}
