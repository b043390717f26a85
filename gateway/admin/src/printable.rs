//! Characters that must not reach a log or a terminal.

/// Returns whether a character can control a terminal: controls (C0, DEL, C1), and characters that reorder or hide the text around
/// them (Unicode TR36, section 2.4).
pub fn is_terminal_control(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
