//! What several protocols share: decoding of content, whatever carried it.

pub(crate) mod charset;
pub(crate) mod inflate;
pub(crate) mod multipart;
