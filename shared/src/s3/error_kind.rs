//! The kinds of errors. One table classifies every error of S3, for retries, for throttling and for callers.

use crate::protocol::failure::FailureClass;

/// The kind of an error. It tells a caller what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The object or its version does not exist.
    NotFound,
    NoSuchBucket,
    /// The multipart upload does not exist: it was completed or aborted.
    NoSuchUpload,
    AccessDenied,
    /// S3 does not know these credentials, or their signature is wrong.
    BadCredentials,
    /// The session of these credentials has ended.
    ExpiredCredentials,
    /// The clock here or there is wrong. The SDK signs again with the time of S3.
    ClockSkew,
    /// The bucket is in another region.
    OtherRegion,
    /// The object must be restored before it can be read.
    Archived,
    /// The condition of `If-Match` or `If-None-Match` does not hold.
    PreconditionFailed,
    /// Another request changes the same key or bucket. S3 asks to try again.
    Conflict,
    /// The object has no byte in the requested range.
    RangeNotSatisfiable,
    TooLarge,
    KeyTooLong,
    /// The response contradicts its headers, its checksum or the request, or S3 received other bytes than were sent.
    Corrupt,
    /// The store does not do what S3 does, and what the caller relies on.
    Incompatible,
    /// S3 or KMS asks for fewer requests.
    Throttled,
    Timeout,
    /// S3 has a problem, or cannot be reached.
    Unavailable,
    /// The error is not known here.
    Unknown,
}

/// Codes from "Error responses" in the S3 documentation, and what they mean here.
const CODES: [(&str, ErrorKind); 39] = [
    ("NoSuchKey", ErrorKind::NotFound),
    ("NoSuchVersion", ErrorKind::NotFound),
    ("NotFound", ErrorKind::NotFound),
    // The version is a delete marker.
    ("MethodNotAllowed", ErrorKind::NotFound),
    ("NoSuchBucket", ErrorKind::NoSuchBucket),
    ("NoSuchUpload", ErrorKind::NoSuchUpload),
    ("InvalidAccessKeyId", ErrorKind::BadCredentials),
    ("SignatureDoesNotMatch", ErrorKind::BadCredentials),
    ("InvalidSecurity", ErrorKind::BadCredentials),
    ("ExpiredToken", ErrorKind::ExpiredCredentials),
    ("InvalidToken", ErrorKind::ExpiredCredentials),
    ("TokenRefreshRequired", ErrorKind::ExpiredCredentials),
    ("RequestTimeTooSkewed", ErrorKind::ClockSkew),
    ("RequestExpired", ErrorKind::ClockSkew),
    ("PermanentRedirect", ErrorKind::OtherRegion),
    ("TemporaryRedirect", ErrorKind::OtherRegion),
    ("Redirect", ErrorKind::OtherRegion),
    ("AuthorizationHeaderMalformed", ErrorKind::OtherRegion),
    ("InvalidObjectState", ErrorKind::Archived),
    ("ObjectNotInActiveTierError", ErrorKind::Archived),
    ("PreconditionFailed", ErrorKind::PreconditionFailed),
    ("ConditionalRequestConflict", ErrorKind::Conflict),
    ("OperationAborted", ErrorKind::Conflict),
    ("InvalidRange", ErrorKind::RangeNotSatisfiable),
    ("EntityTooLarge", ErrorKind::TooLarge),
    ("KeyTooLongError", ErrorKind::KeyTooLong),
    ("BadDigest", ErrorKind::Corrupt),
    ("InvalidDigest", ErrorKind::Corrupt),
    ("XAmzContentSHA256Mismatch", ErrorKind::Corrupt),
    ("XAmzContentChecksumMismatch", ErrorKind::Corrupt),
    ("IncompleteBody", ErrorKind::Corrupt),
    ("RequestTimeout", ErrorKind::Timeout),
    ("SlowDown", ErrorKind::Throttled),
    ("ServiceUnavailable", ErrorKind::Throttled),
    ("TooManyRequests", ErrorKind::Throttled),
    ("RequestLimitExceeded", ErrorKind::Throttled),
    ("InternalError", ErrorKind::Unavailable),
    ("InternalServerError", ErrorKind::Unavailable),
    ("KMS.InternalException", ErrorKind::Unavailable),
];

impl ErrorKind {
    /// Classifies an error of S3. The status decides if S3 sends no code, as for HEAD, or one that is not listed here.
    #[must_use]
    pub fn of(code: Option<&str>, message: &str, status: Option<u16>) -> Self {
        let code = code.unwrap_or_default();
        // "Signature expired: 20260101T000000Z is now earlier than ...", "Signature not yet current: ...".
        if message.starts_with("Signature expired") || message.starts_with("Signature not yet current") {
            return Self::ClockSkew;
        }
        if let Some((_, kind)) = CODES.iter().find(|(listed, _)| *listed == code) {
            return *kind;
        }
        // Throttles of KMS arrive as `ThrottlingException` or `KMS.ThrottlingException`.
        if code.contains("Throttl") {
            return Self::Throttled;
        }
        // The key is disabled, pending deletion, missing or denied. And: "The object was stored using a form of Server
        // Side Encryption. The correct parameters must be provided to retrieve the object."
        if code.starts_with("KMS.") || (code == "InvalidRequest" && message.contains("form of Server Side Encryption"))
        {
            return Self::AccessDenied;
        }
        match status {
            Some(301 | 302 | 307 | 308) => Self::OtherRegion,
            Some(401 | 403) => Self::AccessDenied,
            Some(404 | 405) => Self::NotFound,
            Some(408) => Self::Timeout,
            Some(409) => Self::Conflict,
            Some(412) => Self::PreconditionFailed,
            Some(416) => Self::RangeNotSatisfiable,
            Some(429 | 503) => Self::Throttled,
            Some(501) => Self::Incompatible,
            // Or there was no response.
            Some(500..) | None => Self::Unavailable,
            Some(_) => Self::Unknown,
        }
    }

    /// Whether the same request may succeed within seconds, and the failure class of an image whose request ended with
    /// this error.
    fn rule(self) -> (bool, FailureClass) {
        use FailureClass as Class;
        match self {
            Self::NotFound | Self::NoSuchBucket => (false, Class::NotFound),
            Self::AccessDenied => (false, Class::AccessDenied),
            Self::Archived => (false, Class::Archived),
            Self::PreconditionFailed => (false, Class::Changed),
            Self::TooLarge => (false, Class::TooLarge),
            Self::KeyTooLong => (false, Class::KeyTooLong),
            Self::Corrupt => (true, Class::Corrupt),
            Self::Throttled => (true, Class::Throttled),
            Self::Timeout => (true, Class::Timeout),
            Self::Conflict | Self::ClockSkew | Self::Unavailable => (true, Class::Internal),
            Self::NoSuchUpload
            | Self::BadCredentials
            | Self::ExpiredCredentials
            | Self::OtherRegion
            | Self::RangeNotSatisfiable
            | Self::Incompatible
            | Self::Unknown => (false, Class::Internal),
        }
    }

    /// Whether the same request may succeed within seconds. The SDK sends it again.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        self.rule().0
    }

    /// The failure class of an image whose request ended with this error.
    #[must_use]
    pub fn failure_class(self) -> FailureClass {
        self.rule().1
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorKind as Kind;
    use super::FailureClass as Class;
    use super::*;

    const SSE_C: &str = "The object was stored using a form of Server Side Encryption. The correct parameters must be \
                         provided to retrieve the object.";

    /// Code, message and status of an error; its kind; the failure class of its image; whether it is retryable.
    #[rustfmt::skip]
    const ERRORS: [(&str, &str, u16, Kind, Class, bool); 43] = [
        ("NoSuchKey", "", 404, Kind::NotFound, Class::NotFound, false),
        ("", "", 404, Kind::NotFound, Class::NotFound, false),
        ("MethodNotAllowed", "", 405, Kind::NotFound, Class::NotFound, false),
        ("", "", 405, Kind::NotFound, Class::NotFound, false),
        ("NoSuchBucket", "", 404, Kind::NoSuchBucket, Class::NotFound, false),
        ("NoSuchUpload", "", 404, Kind::NoSuchUpload, Class::Internal, false),
        ("AccessDenied", "", 403, Kind::AccessDenied, Class::AccessDenied, false),
        ("", "", 403, Kind::AccessDenied, Class::AccessDenied, false),
        ("KMS.DisabledException", "", 400, Kind::AccessDenied, Class::AccessDenied, false),
        ("KMS.KMSInvalidStateException", "", 400, Kind::AccessDenied, Class::AccessDenied, false),
        ("KMS.NotFoundException", "", 400, Kind::AccessDenied, Class::AccessDenied, false),
        ("InvalidRequest", SSE_C, 400, Kind::AccessDenied, Class::AccessDenied, false),
        ("InvalidRequest", "", 400, Kind::Unknown, Class::Internal, false),
        ("InvalidAccessKeyId", "", 403, Kind::BadCredentials, Class::Internal, false),
        ("SignatureDoesNotMatch", "", 403, Kind::BadCredentials, Class::Internal, false),
        ("ExpiredToken", "", 400, Kind::ExpiredCredentials, Class::Internal, false),
        ("RequestTimeTooSkewed", "", 403, Kind::ClockSkew, Class::Internal, true),
        ("SignatureDoesNotMatch", "Signature expired: a", 403, Kind::ClockSkew, Class::Internal, true),
        ("PermanentRedirect", "", 301, Kind::OtherRegion, Class::Internal, false),
        ("", "", 307, Kind::OtherRegion, Class::Internal, false),
        ("InvalidObjectState", "", 403, Kind::Archived, Class::Archived, false),
        ("PreconditionFailed", "", 412, Kind::PreconditionFailed, Class::Changed, false),
        ("ConditionalRequestConflict", "", 409, Kind::Conflict, Class::Internal, true),
        ("OperationAborted", "", 409, Kind::Conflict, Class::Internal, true),
        ("", "", 409, Kind::Conflict, Class::Internal, true),
        ("InvalidRange", "", 416, Kind::RangeNotSatisfiable, Class::Internal, false),
        ("SlowDown", "", 503, Kind::Throttled, Class::Throttled, true),
        ("KMS.ThrottlingException", "", 400, Kind::Throttled, Class::Throttled, true),
        ("ServiceUnavailable", "", 503, Kind::Throttled, Class::Throttled, true),
        ("ServiceUnavailable", "", 200, Kind::Throttled, Class::Throttled, true),
        ("ServiceUnavailable", "", 429, Kind::Throttled, Class::Throttled, true),
        ("TooManyRequests", "", 429, Kind::Throttled, Class::Throttled, true),
        ("", "", 429, Kind::Throttled, Class::Throttled, true),
        ("", "", 503, Kind::Throttled, Class::Throttled, true),
        ("EntityTooLarge", "", 400, Kind::TooLarge, Class::TooLarge, false),
        ("KeyTooLongError", "", 400, Kind::KeyTooLong, Class::KeyTooLong, false),
        ("BadDigest", "", 400, Kind::Corrupt, Class::Corrupt, true),
        ("RequestTimeout", "", 400, Kind::Timeout, Class::Timeout, true),
        ("", "", 408, Kind::Timeout, Class::Timeout, true),
        ("InternalError", "", 500, Kind::Unavailable, Class::Internal, true),
        ("InternalError", "", 200, Kind::Unavailable, Class::Internal, true),
        ("", "", 502, Kind::Unavailable, Class::Internal, true),
        ("NotImplemented", "", 501, Kind::Incompatible, Class::Internal, false),
    ];

    #[test]
    fn every_error_has_its_kind_and_class() {
        for (code, message, status, kind, class, is_retryable) in ERRORS {
            let found = ErrorKind::of(Some(code).filter(|code| !code.is_empty()), message, Some(status));
            assert_eq!(
                (found, found.failure_class(), found.is_retryable()),
                (kind, class, is_retryable),
                "{code} {message} {status}"
            );
        }
    }

    /// The rows of the table in the docs: the codes of an error, whether it is sent again, and what happens then.
    fn rows_of_docs() -> Vec<(Vec<String>, bool, String)> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/troubleshooting.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (_, section) = page.split_once("\n## Errors of S3\n").unwrap();
        let (section, _) = section.split_once("\n## ").unwrap();
        let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
        rows.map(|row| {
            let columns: Vec<&str> = row.split('|').collect();
            let codes = columns[1].split('`').skip(1).step_by(2).map(str::to_owned).collect();
            (codes, columns[2].trim().starts_with("yes"), columns[3].to_owned())
        })
        .collect()
    }

    #[test]
    fn the_docs_name_every_code_and_what_happens() {
        let rows = rows_of_docs();
        for (code, kind) in CODES {
            let row = rows.iter().find(|(codes, ..)| codes.iter().any(|named| named == code));
            let (_, is_sent_again, what_happens) = row.unwrap_or_else(|| panic!("{code} is missing"));
            assert_eq!(*is_sent_again, kind.is_retryable(), "{code}");
            let stops_more_than_the_image = matches!(
                kind,
                Kind::NoSuchBucket
                    | Kind::NoSuchUpload
                    | Kind::BadCredentials
                    | Kind::ExpiredCredentials
                    | Kind::OtherRegion
            );
            let fails_as = format!("fails as `{}`", kind.failure_class());
            assert_eq!(what_happens.contains(&fails_as), !stops_more_than_the_image, "{code}");
        }
        for code in rows.iter().flat_map(|(codes, ..)| codes) {
            // Codes that their status classifies, and parts of codes and of messages.
            let is_other = [
                "AccessDenied",
                "NotImplemented",
                "...Throttling...",
                "KMS.",
                "Signature expired",
            ]
            .contains(&code.as_str());
            let is_known = CODES.iter().any(|(known, _)| known == code);
            assert!(is_other || is_known, "{code}");
        }
    }
}
