//! The rule of the template lets through what processor takes.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use shared::filter::{IMAGE_ENDINGS, Names};
use shared::object::Key;

/// The endings that the rule lets through, without regard to case.
fn endings() -> Vec<&'static str> {
    let template = include_str!("../../../../template.yaml");
    let ending = |line: &'static str| {
        let rest = line.trim().strip_prefix("- suffix: {equals-ignore-case: ")?;
        Some(rest.strip_suffix('}').unwrap())
    };
    template.lines().filter_map(ending).collect()
}

/// A key that often ends like the name of an image.
fn key(rng: &mut ChaCha8Rng) -> String {
    const PARTS: [&str; 12] = ["a", "É", "/", ".", "%2F", " ", "*", "[", "jp", "\u{212a}", "ſ", "😀"];
    let mut key: String = (0..rng.random_range(0..6))
        .map(|_| PARTS[rng.random_range(0..PARTS.len())])
        .collect();
    if rng.random_bool(0.8) {
        key.push('.');
        let ending = IMAGE_ENDINGS[rng.random_range(0..IMAGE_ENDINGS.len())];
        for character in ending.chars() {
            let upper = rng.random_bool(0.5);
            key.push(if upper {
                character.to_ascii_uppercase()
            } else {
                character
            });
        }
    }
    if rng.random_bool(0.2) {
        key.push_str(PARTS[rng.random_range(0..PARTS.len())]);
    }
    key
}

#[test]
fn the_rule_never_rejects_what_include_takes() {
    let (names, endings) = (Names::new(None, &[]).unwrap(), endings());
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (mut taken, mut rejected) = (0, 0);
    for _ in 0..100_000 {
        let key = key(&mut rng);
        let passes = endings.iter().any(|ending| key.to_ascii_lowercase().ends_with(ending));
        let is_taken = names.accept(&Key::from(key.clone()));
        assert!(passes || !is_taken, "{key:?} is taken, and the rule rejects it");
        taken += usize::from(is_taken);
        rejected += usize::from(!passes);
    }
    assert!(taken > 1000 && rejected > 1000, "{taken} {rejected}");
    // Also the other way round: the rule lets no ending through that is never taken.
    for ending in endings {
        assert!(names.accept(&Key::from(format!("a{ending}"))), "{ending}");
    }
}
