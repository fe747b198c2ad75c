//! The services that rules and inspectors name.

macro_rules! services {
    ($($variant:ident = $name:literal),* $(,)?) => {
        /// A service, by Snort 3's name (`service:` option, header protocol, `service` in alerts).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Service { $(#[doc = $name] $variant,)* }

        impl Service {
            /// Every known service.
            pub const ALL: &'static [Service] = &[$(Service::$variant,)*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The name in rules and alerts.
            pub fn name(self) -> &'static str {
                match self { $(Service::$variant => $name,)* }
            }
        }
    };
}

services! {
    Http = "http", Http2 = "http2", Http3 = "http3", Ssl = "ssl", Dns = "dns", Smtp = "smtp", Imap = "imap",
    Pop3 = "pop3", Ftp = "ftp", FtpData = "ftp-data", Telnet = "telnet", Ssh = "ssh", Sip = "sip",
    Dcerpc = "dcerpc", NetbiosSsn = "netbios-ssn", NetbiosNs = "netbios-ns", NetbiosDgm = "netbios-dgm",
    SunRpc = "sunrpc", DceHttpServer = "dce_http_server", DceHttpProxy = "dce_http_proxy",
    Snmp = "snmp", Irc = "irc", Rdp = "rdp", Mysql = "mysql", Ssdp = "ssdp", Kerberos = "kerberos", Nntp = "nntp",
    Dhcp = "dhcp", Tftp = "tftp", Ldap = "ldap", Wins = "wins", Modbus = "modbus", Dnp3 = "dnp3", Gtp = "gtp",
    Cip = "cip", Enip = "enip", Iec104 = "iec104", Mms = "mms", Opcua = "opcua", S7commplus = "s7commplus",
    Socks = "socks", Netflow = "netflow", Mqtt = "mqtt", Redis = "redis", Postgres = "postgresql", Ntp = "ntp",
    Syslog = "syslog", Rtsp = "rtsp", Vnc = "vnc", Quic = "quic", Doh = "doh", Ike = "ike", Nfs = "nfs",
    Radius = "radius", BitTorrent = "bittorrent", File = "file",
}

impl Service {
    /// Finds a service by its rule-language name (exact, case-sensitive as in Snort 3).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|service| service.name() == name)
    }
}
