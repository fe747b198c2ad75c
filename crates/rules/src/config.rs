//! What the loader is told: dialect, variables, limits.

use crate::Dialect;
use crate::variables::Variables;
use std::collections::{BTreeMap, BTreeSet};

/// How rule files are read.
#[derive(Clone, Debug)]
pub struct Config {
    /// Surface form of all rules; `None` detects it per file and, in mixed files, per rule.
    pub dialect: Option<Dialect>,
    /// A Snort 3 rule without `sid` is an error. If false it gets sid 0, as in Snort itself.
    pub require_sid: bool,
    /// Address variables: name → text.
    pub address_vars: BTreeMap<String, String>,
    /// Port variables: name → text.
    pub port_vars: BTreeMap<String, String>,
    /// Variables that definitions in files can't change (those that were [`Config::set`]).
    pub pinned: BTreeSet<String>,
    /// How deep includes may nest.
    pub include_depth: usize,
    /// How many files one load may read.
    pub max_files: usize,
    /// Bytes per file.
    pub max_file_bytes: usize,
    /// Bytes per rule.
    pub max_rule_bytes: usize,
    /// Diagnostics kept; the rest is counted in one closing note.
    pub max_diagnostics: usize,
}

impl Default for Config {
    fn default() -> Self {
        let owned = |&(name, text): &(&str, &str)| (name.to_owned(), text.to_owned());
        let mut address_vars: BTreeMap<_, _> =
            SERVER_VARS.iter().map(|&name| (name.to_owned(), "$HOME_NET".to_owned())).collect();
        address_vars.insert("HOME_NET".to_owned(), "any".to_owned());
        address_vars.insert("EXTERNAL_NET".to_owned(), "any".to_owned());
        Self {
            dialect: None,
            require_sid: true,
            address_vars,
            port_vars: PORT_VARS.iter().map(owned).collect(),
            pinned: BTreeSet::new(),
            include_depth: 16,
            max_files: 4096,
            max_file_bytes: 256 << 20,
            max_rule_bytes: 256 << 10,
            max_diagnostics: 10_000,
        }
    }
}

impl Config {
    /// Takes `NAME=VALUE` for an address or a port variable; a name that is a port variable
    /// already, or ends in `PORT` or `PORTS`, is the latter.
    pub fn set(&mut self, assignment: &str) -> Result<(), String> {
        let (name, value) = assignment.split_once('=').ok_or_else(|| format!("`{assignment}` is not NAME=VALUE"))?;
        let (name, value) = (name.trim().trim_start_matches('$'), value.trim());
        if !is_variable_name(name) {
            return Err(format!("`{name}` is no variable name"));
        }
        let mut trial = self.clone();
        let is_ports = trial.port_vars.contains_key(name) || name.ends_with("PORTS") || name.ends_with("PORT");
        let vars = if is_ports { &mut trial.port_vars } else { &mut trial.address_vars };
        vars.insert(name.to_owned(), value.to_owned());
        let mut variables = Variables::new(&trial);
        let reference = format!("${name}");
        let checked = if is_ports {
            variables.ports(&reference, Dialect::Snort3).map(|_| ())
        } else {
            variables.address(&reference, Dialect::Snort3).map(|_| ())
        };
        checked.map_err(|fault| fault.message)?;
        trial.pinned.insert(name.to_owned());
        *self = trial;
        Ok(())
    }
}

/// Letters, digits, `_`, `-` and `.`.
pub(crate) fn is_variable_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

const SERVER_VARS: &[&str] = &[
    "AIM_SERVERS",
    "DC_SERVERS",
    "DNP3_CLIENT",
    "DNP3_SERVER",
    "DNS_SERVERS",
    "ENIP_CLIENT",
    "ENIP_SERVER",
    "FTP_SERVERS",
    "HTTP_SERVERS",
    "MODBUS_CLIENT",
    "MODBUS_SERVER",
    "SIP_SERVERS",
    "SMTP_SERVERS",
    "SNMP_SERVERS",
    "SQL_SERVERS",
    "SSH_SERVERS",
    "TELNET_SERVERS",
];

const HTTP_PORTS: &str = "[80,81,311,383,591,593,901,1220,1414,1741,1830,2301,2381,2809,3037,3128,3702,4343,4848,5250,\
    6988,7000,7001,7144,7145,7510,7777,7779,8000,8008,8014,8028,8080,8085,8088,8090,8118,8123,8180,8181,8243,8280,8300,\
    8800,8888,8899,9000,9060,9080,9090,9091,9443,9999,11371,34443,34444,41080,50002,55555]";

const PORT_VARS: &[(&str, &str)] = &[
    ("DNP3_PORTS", "20000"),
    ("FILE_DATA_PORTS", "[$HTTP_PORTS,$MAIL_PORTS]"),
    ("FTP_PORTS", "[21,2100,3535]"),
    ("GENEVE_PORTS", "6081"),
    ("GTP_PORTS", "[2123,2152,3386]"),
    ("HTTP_PORTS", HTTP_PORTS),
    ("MAIL_PORTS", "[110,143]"),
    ("MODBUS_PORTS", "502"),
    ("ORACLE_PORTS", "1024:"),
    ("SHELLCODE_PORTS", "!80"),
    ("SIP_PORTS", "[5060,5061,5600]"),
    ("SSH_PORTS", "22"),
    ("TEREDO_PORTS", "3544"),
    ("VXLAN_PORTS", "4789"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_variable_resolves() {
        let config = Config::default();
        let mut variables = Variables::new(&config);
        for name in config.address_vars.keys() {
            assert!(variables.address(&format!("${name}"), Dialect::Snort3).is_ok(), "{name}");
        }
        for name in config.port_vars.keys() {
            assert!(variables.ports(&format!("${name}"), Dialect::Snort3).is_ok(), "{name}");
        }
    }

    #[test]
    fn the_name_says_whether_a_variable_holds_ports() {
        let mut config = Config::default();
        assert_eq!(config.set("HOME_NET=[10.0.0.0/8,192.168.0.0/16]"), Ok(()));
        assert_eq!(config.set("MY_PORTS = 80 8080"), Ok(()));
        assert_eq!(config.address_vars.get("HOME_NET").map(String::as_str), Some("[10.0.0.0/8,192.168.0.0/16]"));
        assert_eq!(config.port_vars.get("MY_PORTS").map(String::as_str), Some("80 8080"));
        assert!(config.pinned.contains("MY_PORTS"));
    }

    #[test]
    fn refuses_values_that_do_not_resolve_and_keeps_the_old_ones() {
        let mut config = Config::default();
        for bad in ["HOME_NET", "=1", "A B=1", "HOME_NET=10.0.0.300", "X_PORTS=99999", "EXTERNAL_NET=!$HOME_NET"] {
            assert!(config.set(bad).is_err(), "{bad}");
        }
        assert_eq!(config.address_vars.get("HOME_NET").map(String::as_str), Some("any"));
    }
}
