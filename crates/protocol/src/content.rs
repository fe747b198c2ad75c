//! What several protocols share: decoding of content, whatever carried it.

pub(crate) mod charset;
pub(crate) mod inflate;
pub(crate) mod line;
pub(crate) mod mime;
pub(crate) mod multipart;
pub(crate) mod reply;
pub(crate) mod telnet;
