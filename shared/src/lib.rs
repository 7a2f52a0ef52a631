//! The S3 and metadata logic of both functions, and the types in which they talk to each other.
//!
//! | module | what it holds |
//! |---|---|
//! | [`object`] | buckets, keys, prefixes, `ETag`s and URIs, checked or decoded where they enter |
//! | [`destination`] | the layout of the destination, and the guard against loops |
//! | [`filter`] | which objects are images worth sending |
//! | [`modes`] | what is written (`images`, `records`), and what each mode reads, writes and costs |
//! | [`protocol`] | the wire formats: chunk, response, report, failure classes |
//! | [`s3`] | clients, counted requests, reading, copying and writing objects, classified errors |
//! | [`metadata`] | bytes of an image to its record, without any I/O |
//! | [`bottleneck`] | what limits a job or an invocation, and what would make it faster |
//! | [`prices`] | what AWS charges |
//! | [`settings`] | values from environment variables, each error naming its variable |
//! | [`clock`] | the time that deadlines and leases are judged by |

pub mod bottleneck;
pub mod clock;
pub mod destination;
pub mod filter;
pub mod metadata;
pub mod modes;
pub mod object;
pub mod prices;
pub mod protocol;
pub mod s3;
pub mod settings;
