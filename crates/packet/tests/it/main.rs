//! Decoding as a whole: against etherparse, against Snort's events, and on hostile bytes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

mod build;
mod events;
mod hostile;
mod layers;
mod oracle;
