//! Rust in the pages: each block is part of the file that the text before it names last.

use crate::pages;

/// Lines without what is around them.
fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

/// The path in backticks that is nearest to the end of a text.
fn named(text: &str) -> Option<&str> {
    text.split('`').skip(1).step_by(2).filter(|code| code.ends_with(".rs")).last()
}

#[test]
fn rust_blocks_are_parts_of_the_files_that_are_named_before_them() {
    let mut wrong = Vec::new();
    let mut blocks = 0;

    for page in pages::all() {
        for (at, _) in page.text.match_indices("```rust\n") {
            blocks += 1;
            let (before, after) = (&page.text[..at], &page.text[at + "```rust\n".len()..]);
            let block = lines(after.split("```").next().unwrap());
            let file = named(before).map(pages::read).unwrap_or_default();
            if !lines(&file).windows(block.len()).any(|part| part == block) {
                wrong.push(format!("{}: {}", page.path.display(), block.join(" ")));
            }
        }
    }

    assert!(blocks >= 3, "{blocks} blocks were read");
    assert_eq!(wrong, Vec::<String>::new());
}
