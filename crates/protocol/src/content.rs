//! What several protocols share, so that no protocol imports another.

pub(crate) mod line;
pub(crate) mod mime;
pub(crate) mod reply;
pub(crate) mod telnet;
