/// Why a picture cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file is of a kind that is not decoded here, or cannot be made into the wanted format.
    #[error("{0}")]
    Unsupported(String),
    /// The file contradicts its own format, and nothing of its picture can be decoded.
    #[error("{0}")]
    Damaged(String),
    /// The picture has more pixels, or takes more memory, than the limits allow.
    #[error("{0}")]
    TooLarge(String),
}

impl From<jpeg::Error> for Error {
    fn from(error: jpeg::Error) -> Self {
        match error {
            jpeg::Error::Unsupported(what) => Self::Unsupported(what.to_owned()),
            jpeg::Error::NotJpeg | jpeg::Error::Damaged(_) => Self::Damaged(error.to_string()),
        }
    }
}
