//! A real Kubernetes API on loopback, for tests: etcd, kube-apiserver and, if asked for, some of the controllers.
//!
//! *How it fits*: [`Cluster::start`] boots it in seconds and [`Cluster::kubectl`] speaks to it; its address, authority and
//! kubeconfig files are for the program that is tested. `tapir-cluster`, the program, is the same for shell scripts. What is run
//! is built by `tests/envtest/build.sh` and named by `TAPIR_ENVTEST`; etcd is the system's.
//!
//! *Invariants*: 1. nothing outlives the process that started it, however it ends ([`Cluster`] says how); 2. it listens on 127.0.0.1
//! only, and at one address more if that is asked for; 3. everything it writes is in one folder, readable by its owner only, gone when the cluster is dropped.
//!
//! *Limits*: no kubelet, no scheduler: pods are objects and never run. A user has one group at most.

#![forbid(unsafe_code)]

mod access;
mod certificates;
mod cluster;
mod error;
mod folder;
mod process;
mod programs;
mod relay;
mod tokens;

pub use access::Access;
pub use cluster::{Cluster, Options};
pub use error::Error;
pub use programs::{PROGRAMS, Programs};
