//! No TLS in this build: nobody gets a session.

use std::net::IpAddr;

use super::{Files, Peer};
use crate::wire::tls::{Failure, Wish};

#[derive(Debug)]
pub struct Client;

/// There is none.
#[derive(Debug)]
pub struct Session(());

impl Client {
    pub fn new(_: Files) -> Self {
        Self
    }

    pub fn begin(&mut self, _: &Wish, _: IpAddr) -> Result<Session, Failure> {
        Err(Failure::OwnFiles)
    }
}

impl Session {
    pub fn take(&mut self, _: &[u8], _: &mut Vec<u8>) -> Result<(), Failure> {
        Err(Failure::OwnFiles)
    }

    pub fn say(&mut self, _: &[u8]) {}

    pub fn goodbye(&mut self) {}

    pub fn output(&mut self) -> Vec<u8> {
        Vec::new()
    }

    pub fn peer(&self) -> Option<Peer> {
        None
    }

    pub fn is_over(&self) -> bool {
        true
    }
}
