//! What each kind of header decodes to.

mod fragments;
mod ip;
mod links;
mod sums;
mod transports;
mod tunnels;
