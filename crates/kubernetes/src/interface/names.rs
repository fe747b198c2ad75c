//! The rules by which plugins name the host's end of an interface.

use super::digest::{sha1, sha256};
use super::{Cni, MAX_NAME, PodInterface, Prefixes};

/// Gives every name that this plugin may have given.
pub(super) fn of(cni: Cni, interface: &PodInterface<'_>, prefixes: &Prefixes, give: &mut dyn FnMut(String)) {
    let first = interface.index == 0;
    let sandbox = interface.sandbox.unwrap_or_default();
    match cni {
        Cni::Calico if first => {
            prefixes.calico().iter().for_each(|prefix| give(format!("{prefix}{}", of_pod(interface))));
        }
        Cni::AwsVpc => give(format!("{}{}", prefixes.aws(), of_pod(interface))),
        Cni::AwsVpcBranch => give(format!("vlan{}", of_pod(interface))),
        Cni::Azure if first => {
            give(format!("azv{}", of_pod(interface)));
            // Where the plugin was not told the pod: the endpoint's id, which begins with the sandbox's.
            give_joined(give, &["azv"], sandbox, 7, &[]);
        }
        Cni::GkeCalico if first => give(format!("gke{}", of_pod(interface))),
        Cni::Cilium if first && !sandbox.is_empty() => give(format!("lxc{}", sha256(sandbox, 12))),
        Cni::Antrea if !sandbox.is_empty() => give(antrea(interface, sandbox)),
        Cni::OvnKubernetes => match (first, interface.link) {
            (true, _) => give_joined(give, &[], sandbox, MAX_NAME, &[]),
            (false, Some(link)) => ending(give, sandbox, &format!("_{link}")),
            (false, None) => {}
        },
        Cni::KubeOvn if first && interface.name == "eth0" => give_joined(give, &[], sandbox, 12, &["_h"]),
        Cni::KubeOvn => ending(give, sandbox, &format!("_{}_h", interface.name)),
        _ => {}
    }
}

/// Calico's rule, which Amazon and Azure took over.
fn of_pod(interface: &PodInterface<'_>) -> String {
    let PodInterface { namespace, pod, index, .. } = interface;
    match index {
        0 => sha1(&format!("{namespace}.{pod}"), 11),
        index => sha1(&format!("{namespace}.{pod}.{index}"), 11),
    }
}

/// The head of the pod's name and a digest.
fn antrea(interface: &PodInterface<'_>, sandbox: &str) -> String {
    let head: String = interface.pod.chars().take(8).collect();
    let key = match interface.index {
        0 => sandbox.to_owned(),
        _ => format!("{sandbox}{}", interface.name),
    };
    format!("{}-{}", head.trim_start_matches('-'), sha1(&key, 6))
}

/// So much of the sandbox's id as leaves room for an ending.
fn ending(give: &mut dyn FnMut(String), sandbox: &str, end: &str) {
    if let Some(room) = MAX_NAME.checked_sub(end.len()).filter(|room| *room > 0) {
        give_joined(give, &[], sandbox, room, &[end]);
    }
}

/// The first bytes of the sandbox's id between other texts; nothing if the id is shorter.
fn give_joined(give: &mut dyn FnMut(String), before: &[&str], sandbox: &str, bytes: usize, after: &[&str]) {
    if let Some(id) = sandbox.get(..bytes) {
        give([before, &[id], after].concat().concat());
    }
}
