//! What both functions use: S3, metadata, the layout of the destination, and the requests and responses.
//!
//! | module | what it holds |
//! |---|---|
//! | [`object`] | buckets, keys, prefixes, `ETag`s and URIs, checked or decoded when they enter |
//! | [`destination`] | the layout of the destination, and the check that it does not overlap the source |
//! | [`filter`] | which objects are images to process |
//! | [`modes`] | what is written (`images`, `records`), and what each mode reads, writes and costs |
//! | [`transform`] | what the mode `transform` makes of each image |
//! | [`protocol`] | the wire formats: requests, responses, reports, failure classes |
//! | [`report`] | the report of a job for people: sentences, and `report.html` |
//! | [`s3`] | clients, counted requests, classified errors; listing, reading, copying and writing objects |
//! | [`metadata`] | from the bytes of an image to its record, without I/O |
//! | [`strip`] | the same picture without its metadata, without I/O |
//! | [`bottleneck`] | what limits a job or an invocation, and what would make it faster |
//! | [`prices`] | what AWS charges |
//! | [`logs`] | log lines, and the summary of an invocation with its metrics |
//! | [`settings`] | values from environment variables; each error names its variable |
//! | [`clock`] | the clock for deadlines and leases |
//! | [`process`] | the end of a process whose credentials have expired |

pub mod bottleneck;
pub mod clock;
pub mod destination;
pub mod filter;
pub mod logs;
pub mod metadata;
pub mod modes;
pub mod object;
pub mod prices;
pub mod process;
pub mod protocol;
pub mod report;
pub mod s3;
pub mod settings;
pub mod strip;
pub mod transform;
