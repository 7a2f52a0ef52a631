//! One field, as in its table.

use std::borrow::Cow;

use super::order::Order;
use super::table::Table;

/// One row of a table, with its numbers decoded.
pub struct Row<'a> {
    pub tag: u16,
    pub kind: u16,
    pub count: u64,
    /// The value if it fits, otherwise its offset.
    pub inside: &'a [u8],
}

impl<'a> Row<'a> {
    pub fn new(order: Order, row: &'a [u8]) -> Self {
        let (head, inside) = row.split_at(row.len() / 2 + 2);
        #[expect(clippy::cast_possible_truncation, reason = "two bytes each")]
        let short = |bytes| order.number(bytes) as u16;
        Self {
            tag: short(&head[..2]),
            kind: short(&head[2..4]),
            count: order.number(&head[4..]),
            inside,
        }
    }
}

/// The meaning of a row.
pub enum Found<'a> {
    /// A value: its type, which `kamadak-exif` knows, and its bytes.
    Value(u16, Cow<'a, [u8]>),
    /// A table, and where it starts.
    Table(Table, u64),
    /// Nothing to copy.
    Nothing,
}

/// The most texts that are copied from one field. A field may hold several, each ended by a NUL.
const MAX_TEXTS: usize = 16;

/// A value without the NULs at its end, cut to [`MAX_TEXTS`].
pub fn texts(value: &[u8]) -> &[u8] {
    let end = value.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let value = &value[..end];
    let mut nuls = value.iter().enumerate().filter(|&(_, &byte)| byte == 0);
    let end = nuls.nth(MAX_TEXTS - 1).map_or(value.len(), |(at, _)| at);
    &value[..end]
}
