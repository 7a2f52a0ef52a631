//! The report of a job for people.
//!
//! | module | what it holds |
//! |---|---|
//! | [`words`] | sentences: how a job ended, and what to do about failures |
//! | [`text`] | numbers, times and sizes as text; keys without characters that deceive |
//! | [`places`] | where the results are |
//! | [`page`] | `report.html` |

mod page;
pub mod places;
pub mod text;
pub mod words;

pub use page::page;
