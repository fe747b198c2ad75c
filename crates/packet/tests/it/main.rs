//! Decoding as a whole: against etherparse, against Snort's events, and on hostile bytes.

mod build;
mod events;
mod hostile;
mod layers;
mod oracle;
