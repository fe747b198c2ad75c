//! Classes of rules and schemes of references: the tables that alerts take texts, priorities and
//! addresses from.
//!
//! Both start with the names that Snort and Suricata ship (public names and texts, needed in
//! alerts) and take `config classification:` and `config reference:` lines. A line beats a
//! built-in entry; of two lines the first counts. Snort manual: `classtype`, `reference`.

use crate::Reference;
use std::collections::HashMap;

/// A class of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// Name as in `classtype`.
    pub name: String,
    /// Text in alerts.
    pub text: String,
    /// Priority, 1 is the highest.
    pub priority: u32,
}

/// Classes by name.
#[derive(Clone, Debug)]
pub struct ClassTable {
    classes: Vec<Class>,
    /// Name → index, and whether a line (not the built-in table) defined it.
    names: HashMap<String, (usize, bool)>,
}

impl Default for ClassTable {
    fn default() -> Self {
        let mut table = Self { classes: Vec::new(), names: HashMap::new() };
        for &(name, text, priority) in CLASSES {
            table.insert(Class { name: name.to_owned(), text: text.to_owned(), priority }, false);
        }
        table
    }
}

impl ClassTable {
    /// The class of a name.
    pub fn class(&self, name: &str) -> Option<&Class> {
        self.names.get(name).and_then(|&(index, _)| self.classes.get(index))
    }

    /// All classes, built-in ones first.
    pub fn iter(&self) -> impl Iterator<Item = &Class> {
        self.classes.iter()
    }

    /// Takes a class from a configuration line; false if a line defined it before.
    pub fn define(&mut self, class: Class) -> bool {
        if self.names.get(&class.name).is_some_and(|&(_, by_line)| by_line) {
            return false;
        }
        self.insert(class, true);
        true
    }

    fn insert(&mut self, class: Class, by_line: bool) {
        let fresh = self.classes.len();
        let entry = self.names.entry(class.name.clone()).or_insert((fresh, by_line));
        entry.1 = by_line;
        match self.classes.get_mut(entry.0) {
            Some(slot) => *slot = class,
            None => self.classes.push(class),
        }
    }
}

/// Addresses of references by scheme; names are compared without case.
#[derive(Clone, Debug)]
pub struct ReferenceTable {
    prefixes: HashMap<String, (String, bool)>,
}

impl Default for ReferenceTable {
    fn default() -> Self {
        let prefixes =
            SCHEMES.iter().map(|&(scheme, prefix)| (scheme.to_ascii_lowercase(), (prefix.to_owned(), false))).collect();
        Self { prefixes }
    }
}

impl ReferenceTable {
    /// The prefix of a scheme.
    pub fn prefix(&self, scheme: &str) -> Option<&str> {
        self.prefixes.get(&scheme.to_ascii_lowercase()).map(|(prefix, _)| prefix.as_str())
    }

    /// The address of a reference, if its scheme is known.
    pub fn url(&self, reference: &Reference) -> Option<String> {
        self.prefix(&reference.scheme).map(|prefix| format!("{prefix}{}", reference.id))
    }

    /// Takes a scheme from a configuration line; false if a line defined it before.
    pub fn define(&mut self, scheme: &str, prefix: &str) -> bool {
        let key = scheme.to_ascii_lowercase();
        if self.prefixes.get(&key).is_some_and(|&(_, by_line)| by_line) {
            return false;
        }
        self.prefixes.insert(key, (prefix.to_owned(), true));
        true
    }
}

const CLASSES: &[(&str, &str, u32)] = &[
    ("not-suspicious", "Not Suspicious Traffic", 3),
    ("unknown", "Unknown Traffic", 3),
    ("bad-unknown", "Potentially Bad Traffic", 2),
    ("attempted-recon", "Attempted Information Leak", 2),
    ("successful-recon-limited", "Information Leak", 2),
    ("successful-recon-largescale", "Large Scale Information Leak", 2),
    ("attempted-dos", "Attempted Denial of Service", 2),
    ("successful-dos", "Denial of Service", 2),
    ("attempted-user", "Attempted User Privilege Gain", 1),
    ("unsuccessful-user", "Unsuccessful User Privilege Gain", 1),
    ("successful-user", "Successful User Privilege Gain", 1),
    ("attempted-admin", "Attempted Administrator Privilege Gain", 1),
    ("successful-admin", "Successful Administrator Privilege Gain", 1),
    ("rpc-portmap-decode", "Decode of an RPC Query", 2),
    ("shellcode-detect", "Executable code was detected", 1),
    ("string-detect", "A suspicious string was detected", 3),
    ("suspicious-filename-detect", "A suspicious filename was detected", 2),
    ("suspicious-login", "An attempted login using a suspicious username was detected", 2),
    ("system-call-detect", "A system call was detected", 2),
    ("tcp-connection", "A TCP connection was detected", 4),
    ("trojan-activity", "A Network Trojan was detected", 1),
    ("unusual-client-port-connection", "A client was using an unusual port", 2),
    ("network-scan", "Detection of a Network Scan", 3),
    ("denial-of-service", "Detection of a Denial of Service Attack", 2),
    ("non-standard-protocol", "Detection of a non-standard protocol or event", 2),
    ("protocol-command-decode", "Generic Protocol Command Decode", 3),
    ("web-application-activity", "Access to a potentially vulnerable web application", 2),
    ("web-application-attack", "Web Application Attack", 1),
    ("misc-activity", "Misc activity", 3),
    ("misc-attack", "Misc Attack", 2),
    ("icmp-event", "Generic ICMP event", 3),
    ("inappropriate-content", "Inappropriate Content was Detected", 1),
    ("policy-violation", "Potential Corporate Privacy Violation", 1),
    ("default-login-attempt", "Attempt to login by a default username and password", 2),
    ("sdf", "Sensitive Data", 2),
    ("file-format", "Known malicious file or file based exploit", 1),
    ("malware-cnc", "Known malware command and control traffic", 1),
    ("client-side-exploit", "Known client side exploit attempt", 1),
    ("targeted-activity", "Targeted Malicious Activity was Detected", 1),
    ("exploit-kit", "Exploit Kit Activity Detected", 1),
    ("external-ip-check", "Device Retrieving External IP Address Detected", 2),
    ("domain-c2", "Domain Observed Used for C2 Detected", 1),
    ("pup-activity", "Possibly Unwanted Program Detected", 2),
    ("credential-theft", "Successful Credential Theft Detected", 1),
    ("social-engineering", "Possible Social Engineering Attempted", 2),
    ("coin-mining", "Crypto Currency Mining Activity Detected", 2),
    ("command-and-control", "Malware Command and Control Activity Detected", 1),
];

const SCHEMES: &[(&str, &str)] = &[
    ("bugtraq", "http://www.securityfocus.com/bid/"),
    ("bid", "http://www.securityfocus.com/bid/"),
    ("cve", "http://cve.mitre.org/cgi-bin/cvename.cgi?name="),
    ("arachNIDS", "http://www.whitehats.com/info/IDS"),
    ("osvdb", "http://osvdb.org/show/osvdb/"),
    ("McAfee", "http://vil.nai.com/vil/content/v_"),
    ("nessus", "http://cgi.nessus.org/plugins/dump.php3?id="),
    ("url", "http://"),
    ("msb", "http://technet.microsoft.com/en-us/security/bulletin/"),
    ("msft", "http://technet.microsoft.com/security/bulletin/"),
    ("et", "http://doc.emergingthreats.net/"),
    ("etpro", "http://doc.emergingthreatspro.com/"),
    ("exploitdb", "http://www.exploit-db.com/exploits/"),
    ("md5", "http://www.threatexpert.com/report.aspx?md5="),
    ("openpacket", "https://www.openpacket.org/capture/grab/"),
    ("secunia", "http://www.secunia.com/advisories/"),
    ("securitytracker", "http://securitytracker.com/id?"),
    ("telus", "http://"),
    ("threatexpert", "http://www.threatexpert.com/report.aspx?md5="),
    ("xforce", "http://xforce.iss.net/xforce/xfdb/"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_beats_the_built_in_class_and_later_lines() {
        let mut table = ClassTable::default();
        let class = |text: &str, priority| Class { name: "unknown".to_owned(), text: text.to_owned(), priority };
        assert_eq!(table.class("unknown").map(|class| class.priority), Some(3));
        assert!(table.define(class("One", 1)));
        assert!(!table.define(class("Two", 2)));
        assert_eq!(table.class("unknown"), Some(&class("One", 1)));
        assert_eq!(table.iter().filter(|class| class.name == "unknown").count(), 1);
    }

    #[test]
    fn schemes_are_found_without_case() {
        let reference = Reference { scheme: "CVE".to_owned(), id: "2021-44228".to_owned() };
        let url = ReferenceTable::default().url(&reference);
        assert_eq!(url.as_deref(), Some("http://cve.mitre.org/cgi-bin/cvename.cgi?name=2021-44228"));
    }
}
