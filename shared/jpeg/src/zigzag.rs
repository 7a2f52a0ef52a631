//! The order of coefficients in a file.

/// The place in a block, row by row, of each coefficient in the order of the file (T.81, figure 5).
pub const ZIGZAG: [u8; 64] = {
    let mut places = [0; 64];
    let (mut row, mut column) = (0_u8, 0_u8);
    let mut index = 0;
    while index < 64 {
        places[index] = row * 8 + column;
        index += 1;
        // Even diagonals go up, odd ones go down.
        if (row + column).is_multiple_of(2) {
            if column == 7 {
                row += 1;
            } else if row == 0 {
                column += 1;
            } else {
                (row, column) = (row - 1, column + 1);
            }
        } else if row == 7 {
            column += 1;
        } else if column == 0 {
            row += 1;
        } else {
            (row, column) = (row + 1, column - 1);
        }
    }
    places
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_figure_5() {
        assert_eq!(ZIGZAG[..10], [0, 1, 8, 16, 9, 2, 3, 10, 17, 24]);
        assert_eq!(ZIGZAG[54..], [39, 46, 53, 60, 61, 54, 47, 55, 62, 63]);
    }
}
