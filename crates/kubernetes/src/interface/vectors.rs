//! Names that were computed or measured for eight plugins: read from `$TAPIR_SHARED/spec/calico` where that is there.

use super::{Cni, PodInterface, Prefixes, hints};

#[test]
fn names_are_those_of_the_plugins() {
    let Some(lines) = crate::shared::lines("interface-names.jsonl") else { return };
    let mut seen = 0;
    for line in &lines {
        let text = |key: &str| line[key].as_str();
        let variant = text("variant").unwrap_or_default();
        let cni = match (text("cni").unwrap(), variant.contains("security groups")) {
            ("aws-vpc-cni", true) => Cni::AwsVpcBranch,
            (name, _) => Cni::ALL.into_iter().find(|cni| cni.name() == name).unwrap(),
        };
        let mut interface = PodInterface::first(text("namespace").unwrap(), text("pod").unwrap());
        interface.sandbox = text("container_id");
        if variant.contains("index 1") {
            interface = PodInterface { index: 1, name: "eth1", ..interface };
        }
        let names: Vec<String> = hints(&interface, &Prefixes::default())
            .into_iter()
            .filter(|hint| hint.cni == cni)
            .map(|hint| hint.name)
            .collect();
        assert!(names.iter().any(|name| name == text("host_interface").unwrap()), "{line}: {names:?}");
        assert!(names.len() <= 2, "{line}: {names:?}");
        seen += 1;
    }
    assert!(seen >= 50, "{seen} of 50 lines");
}

#[test]
fn the_measured_interface_is_the_first_hint() {
    let frontend = PodInterface::first("hipstershop", "frontend-6b64dc9665-97687");
    let first = hints(&frontend, &Prefixes::default()).remove(0);
    assert_eq!((first.name.as_str(), first.cni), ("cali047739587bc", Cni::Calico));
}
