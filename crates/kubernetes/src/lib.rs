//! Kubernetes as Tapir sees it, without I/O: custom resources, selectors, endpoints, status. It knows no packets.
//!
//! *How it fits*: an agent, the operator and the manager watch and write with a client of their own; what things mean is
//! decided here, by functions over values.
//!
//! | module | knows |
//! | --- | --- |
//! | [`selector`] | Calico's selector language |
//! | [`labels`] | the labels of an endpoint, implicit and inherited ones among them |
//! | [`endpoint`] | which pods are endpoints |
//! | [`interface`] | what the interface of a pod may be called on its node |
//! | [`resources`] | the custom resources |
//! | [`status`] | what a node says of an inspection, and when it is worth a write |
//! | [`crds`] | the definitions for the API server |
//!
//! *Invariants*: no clock, no randomness, no sockets: time comes as an argument.

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

pub mod crds;
pub mod endpoint;
pub mod interface;
pub mod labels;
pub mod resources;
pub mod selector;
#[cfg(test)]
mod shared;
pub mod status;
