/// Why a file cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("it is not a JPEG")]
    NotJpeg,
    /// A kind of JPEG that this crate does not decode.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    #[error("{0}")]
    Damaged(&'static str),
}
