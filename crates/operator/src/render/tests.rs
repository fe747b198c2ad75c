//! What is rendered, as a whole and in what must never change.

use super::*;
use crate::install::{self, Made};
use crate::names::Compat;
use crate::options::{ManagerOptions, Options, Sandbox};

fn inputs() -> AgentInputs {
    AgentInputs { token: "t0ken".into(), authority: "-----BEGIN CERTIFICATE-----\n".into(), ..AgentInputs::default() }
}

fn yaml(objects: &[Object]) -> String {
    install::yaml(objects.iter().map(|object| &object.0))
}

#[test]
fn the_agents_as_the_incumbent_calls_them() {
    insta::assert_snapshot!(yaml(&agent(&Options::default(), &inputs())));
}

#[test]
fn the_manager() {
    let chosen = ManagerOptions { public_url: Some("https://tapir.example".into()), ..ManagerOptions::default() };
    insta::assert_snapshot!(yaml(&manager(&Options::default(), &chosen, &ManagerInputs { token: "t0ken".into() })));
}

#[test]
fn the_operator_with_tapirs_names_and_every_choice() {
    let options = Options {
        namespace: "security".into(),
        compat: Compat::None,
        image: "registry.example/tapir:2".into(),
        pull_policy: "Always".into(),
        pull_secrets: vec!["one".into(), "two".into()],
        cluster: "prod".into(),
        interface_prefix: "cali,eni".into(),
        agent_health: ([127, 0, 0, 1], 9197).into(),
        host_pid: true,
        inside_pods: false,
        sandbox: Sandbox::Require,
        run_as_root: true,
        manager: None,
    };
    insta::assert_snapshot!(yaml(&install::operator(&options, Made::ALL)));
}

#[test]
fn agents_may_reach_what_they_need_and_nothing_else() {
    let objects = agent(&Options::default(), &inputs());
    let policy = objects.iter().find(|object| object.kind() == "NetworkPolicy").unwrap();
    let ports: Vec<u64> = policy.0["spec"]["egress"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|rule| rule["ports"].as_array().unwrap())
        .map(|port| port["port"].as_u64().unwrap())
        .collect();
    assert_eq!(ports, [53, 53, 443, 6443, 9443]);
    assert_eq!(policy.0["spec"]["policyTypes"], json!(["Egress"]));
}

#[test]
fn nothing_is_ever_privileged() {
    for (root, pid) in [(false, false), (true, true)] {
        let options = Options { run_as_root: root, host_pid: pid, ..Options::default() };
        let mut objects = agent(&options, &inputs());
        objects.extend(manager(&options, &ManagerOptions::default(), &ManagerInputs::default()));
        objects.extend(install::operator(&options, Made::ALL));
        let mut containers = 0;
        for object in &objects {
            let Some(pod) = object.0.pointer("/spec/template/spec") else { continue };
            for container in pod["containers"].as_array().into_iter().chain(pod["initContainers"].as_array()).flatten()
            {
                containers += 1;
                let security = &container["securityContext"];
                assert_eq!(security["privileged"], false, "{container}");
                assert_eq!(security["readOnlyRootFilesystem"], true);
                assert_eq!(security["capabilities"]["drop"], json!(["ALL"]));
                let added = security["capabilities"]["add"].as_array().cloned().unwrap_or_default();
                assert!(added.len() <= 1, "{added:?}");
                assert!(!added.contains(&json!("SYS_ADMIN")), "{added:?}");
            }
            assert_eq!(pod["hostPID"] == true, pid && object.kind() == "DaemonSet");
        }
        assert_eq!(containers, 4);
    }
}

#[test]
fn entering_pods_takes_more_and_is_asked_for() {
    let objects = agent(&Options { inside_pods: true, ..Options::default() }, &inputs());
    let set = objects.iter().find(|object| object.kind() == "DaemonSet").unwrap();
    let pod = &set.0["spec"]["template"]["spec"];
    let security = &pod["containers"][0]["securityContext"];
    assert_eq!(security["capabilities"]["add"], json!(["NET_RAW", "SYS_ADMIN", "SYS_PTRACE"]));
    assert_eq!(
        (&security["runAsUser"], &security["privileged"], &pod["hostPID"]),
        (&json!(0), &json!(false), &json!(true))
    );
}

#[test]
fn the_sandbox_is_demanded_or_switched_off_by_a_flag_of_its_own() {
    let flags = |sandbox| {
        let objects = agent(&Options { sandbox, ..Options::default() }, &inputs());
        let set = objects.iter().find(|object| object.kind() == "DaemonSet").unwrap();
        let arguments = set.0["spec"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap().clone();
        arguments.into_iter().filter(|one| one.as_str().unwrap().starts_with("--sandbox")).collect::<Vec<_>>()
    };
    assert!(flags(Sandbox::On).is_empty());
    assert_eq!(flags(Sandbox::Require), [json!("--sandbox=require")]);
    assert_eq!(flags(Sandbox::Off), [json!("--sandbox=off")]);
}

#[test]
fn a_container_of_rules_is_as_the_incumbent_renders_it() {
    let spec: tapir_kubernetes::resources::IntrusionDetectionSpec = serde_json::from_value(json!({
        "deepPacketInspectionDaemonset": {"spec": {"template": {"spec": {"initContainers": [
            {"name": "snort-rules", "image": "registry.example/rules:1", "resources": {"limits": {"cpu": "1"}}},
        ]}}}},
    }))
    .unwrap();
    let objects = agent(&Options::default(), &AgentInputs { spec, ..inputs() });
    let set = objects.iter().find(|object| object.kind() == "DaemonSet").unwrap();
    let containers = set.0["spec"]["template"]["spec"]["initContainers"].as_array().unwrap();
    assert_eq!(
        containers.last().unwrap(),
        &json!({
            "name": "snort-rules", "image": "registry.example/rules:1", "resources": {"limits": {"cpu": "1"}},
            "volumeMounts": [{"name": "snort-cache", "mountPath": "/usr/etc/snort/rules"}],
        })
    );
}

#[test]
fn what_pods_read_at_their_start_makes_new_pods() {
    let hash = |inputs: &AgentInputs| {
        let objects = agent(&Options::default(), inputs);
        let set = objects.iter().find(|object| object.kind() == "DaemonSet").unwrap();
        set.0["spec"]["template"]["metadata"]["annotations"][INPUTS].as_str().unwrap().to_owned()
    };
    let first = hash(&inputs());
    assert_eq!(first, hash(&inputs()));
    assert_ne!(first, hash(&AgentInputs { token: "other".into(), ..inputs() }));
    assert_ne!(first, hash(&AgentInputs { settings: "[[delivery.sink]]\n".into(), ..inputs() }));
}

#[test]
fn beside_the_incumbent_health_is_elsewhere_and_webhooks_are_sent_once() {
    let honour = vec!["exceptions".to_owned(), "suppressions".to_owned()];
    let chosen = ManagerOptions { honour, ..ManagerOptions::default() };
    for (address, host, port) in
        [("127.0.0.1:9197", "127.0.0.1", 9197), ("0.0.0.0:9198", "127.0.0.1", 9198), ("[::1]:9199", "::1", 9199)]
    {
        let agent_health = address.parse().unwrap();
        let options = Options { agent_health, manager: Some(chosen.clone()), ..Options::default() };
        assert!(options.arguments().contains(&format!("--agent-health={address}")));
        assert!(options.arguments().contains(&"--honour=exceptions,suppressions".to_owned()));
        let objects = agent(&options, &inputs());
        let set = objects.iter().find(|object| object.kind() == "DaemonSet").unwrap();
        let container = &set.0["spec"]["template"]["spec"]["containers"][0];
        assert!(container["args"].as_array().unwrap().contains(&json!(format!("--health={address}"))));
        for probe in ["readinessProbe", "livenessProbe"] {
            let asks = &container[probe]["httpGet"];
            assert_eq!((&asks["host"], &asks["port"]), (&json!(host), &json!(port)), "{probe}");
        }
    }
    let beside = Options { manager: Some(chosen.clone()), ..Options::default() };
    let in_theirs = |object: &Object| [object.name(), object.namespace()].contains(&crate::names::WEBHOOKS);
    assert!(!install::operator(&beside, Made::ALL).iter().any(in_theirs), "nothing of the incumbent's is read");
    assert!(install::operator(&Options::default(), Made::ALL).iter().any(in_theirs));
    let objects = manager(&Options::default(), &chosen, &ManagerInputs::default());
    let set = objects.iter().find(|object| object.kind() == "StatefulSet").unwrap();
    let arguments = set.0["spec"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap();
    assert!(arguments.contains(&json!("--honour=exceptions,suppressions")));
}

#[test]
fn agents_never_live_where_the_managers_secrets_are() {
    for compat in [Compat::Calico, Compat::None] {
        let options = Options { compat, ..Options::default() };
        assert_ne!(options.agent().namespace, options.namespace);
        for object in agent(&options, &inputs()) {
            assert!(["", options.agent().namespace].contains(&object.namespace()), "{}", object.in_words());
        }
    }
}

#[test]
fn what_lives_with_the_operator_is_admitted_under_the_strictest_level() {
    let mut objects = install::operator(&Options::default(), Made { agents: false, webhooks: false });
    let level = &objects.first().unwrap().0["metadata"]["labels"]["pod-security.kubernetes.io/enforce"];
    assert_eq!(level, "restricted");
    assert_eq!(objects.iter().filter(|object| object.kind() == "Namespace").count(), 1, "others keep theirs");
    objects.extend(manager(&Options::default(), &ManagerOptions::default(), &ManagerInputs::default()));
    let pods: Vec<_> = objects.iter().filter_map(|object| object.0.pointer("/spec/template/spec")).collect();
    assert_eq!(pods.len(), 2);
    for pod in pods {
        for host in ["hostNetwork", "hostPID", "hostIPC"] {
            assert_eq!(pod.get(host), None);
        }
        for volume in pod["volumes"].as_array().into_iter().flatten() {
            assert!(volume.get("hostPath").is_none(), "{volume}");
        }
        let container = &pod["containers"][0]["securityContext"];
        assert_eq!(*container, restricted());
    }
}

#[test]
fn the_operator_holds_what_it_grants() {
    let objects = install::operator(&Options::default(), Made::ALL);
    let role = objects.iter().find(|object| object.kind() == "ClusterRole").unwrap();
    let held = role.0["rules"].as_array().unwrap();
    for granted in [agent_rules(), manager_rules()] {
        for rule in granted.as_array().unwrap() {
            assert!(held.contains(rule), "{rule}");
        }
    }
    // No secret of anybody else's.
    assert!(held.iter().all(|rule| !rule["resources"].as_array().unwrap().contains(&json!("secrets"))));
}
