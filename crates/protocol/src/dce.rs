//! DCE/RPC, connection-oriented: what `dcerpc` over TCP and named pipes over SMB have in common.
//!
//! *How it fits*: an inspector cuts fragments ([`fragment_len`]) and hands each to a
//! [`Connection`], which answers the facts for rules, where the stub data is, and now and then a
//! call put together from fragments.
//!
//! *Limits*: [`contexts::MAX_CONTEXTS`] presentation contexts (`dce_contexts_dropped`),
//! [`connection::MAX_STUB`] bytes of stub data per direction; a longer call is given out in parts
//! (`dce_calls_split`).
//!
//! *Spec*: C706 (DCE 1.1 RPC) chapter 12; Snort 3 manual `dce_iface`, `dce_opnum`, `dce_stub_data`.

mod connection;
mod contexts;
mod header;
mod view;

pub(crate) use connection::{Connection, Heard, Whole};
pub(crate) use header::{HEADER, Header, fragment_len, uuid};
pub(crate) use view::DceView;
