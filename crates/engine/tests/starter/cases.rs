//! The conversations of `*.toml`: by sid what must raise a rule and what must not, and ordinary
//! traffic that must raise none.

use crate::traffic::Talk;
use serde::Deserialize;
use std::collections::BTreeMap;

const FILES: [(&str, &str); 4] = [
    ("web.toml", include_str!("web.toml")),
    ("cluster.toml", include_str!("cluster.toml")),
    ("network.toml", include_str!("network.toml")),
    ("ordinary.toml", include_str!("ordinary.toml")),
];

/// Conversations of one rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub fires: Vec<Talk>,
    pub silent: Vec<Talk>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Cases {
    pub by_sid: BTreeMap<u32, Case>,
    pub ordinary: Vec<Talk>,
}

#[derive(Debug, Deserialize)]
struct File {
    #[serde(default)]
    ordinary: Vec<Talk>,
    #[serde(flatten)]
    by_sid: BTreeMap<String, Case>,
}

impl Cases {
    pub(crate) fn read() -> Self {
        let mut cases = Self::default();
        for (name, text) in FILES {
            let file: File = toml::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            cases.ordinary.extend(file.ordinary);
            for (sid, case) in file.by_sid {
                let sid = sid.parse().unwrap_or_else(|_| panic!("{name}: {sid} is not a sid"));
                assert!(cases.by_sid.insert(sid, case).is_none(), "{name}: {sid} twice");
            }
        }
        cases
    }
}
