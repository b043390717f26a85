//! What an operation says while it works.

/// Gets told how an operation proceeds, so that an operator whose run is interrupted knows how far it came.
pub trait Progress: Send {
    /// A step begins: its number, counted from 1, and what it does.
    fn begin(&mut self, number: usize, step: &str);

    /// Something about the current step that is worth to know.
    fn note(&mut self, text: &str);
}
