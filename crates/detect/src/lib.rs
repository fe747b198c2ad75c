//! (being built)
#![allow(unused_crate_dependencies)]
pub mod search;
