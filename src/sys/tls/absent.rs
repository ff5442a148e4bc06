//! No TLS in this build.

use std::net::IpAddr;

use super::{Files, Peer};
use crate::wire::tls::{Failure, Wish};

#[derive(Debug, Default)]
pub struct Client;

/// There is none.
#[derive(Debug)]
pub enum Session {}

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
        match *self {}
    }

    pub fn end(&mut self) -> Result<(), Failure> {
        match *self {}
    }

    pub fn say(&mut self, _: &[u8]) {
        match *self {}
    }

    pub fn goodbye(&mut self) {
        match *self {}
    }

    pub fn output(&mut self) -> Vec<u8> {
        match *self {}
    }

    pub fn peer(&self) -> Option<Peer> {
        match *self {}
    }

    pub fn is_over(&self) -> bool {
        match *self {}
    }
}
