//! What a panic said, kept for the tasks that it ends.

use std::cell::{Cell, RefCell};
use std::panic::PanicHookInfo;
use std::sync::Once;

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
    // Looked at whenever a span is entered, so it must be cheap: no destructor.
    static REMEMBERED: Cell<bool> = const { Cell::new(false) };
}

/// Lets the ends of tasks that panic say what the panic said and where. The hook that was set before runs after it.
/// Doing it twice does nothing. Without it such ends say just `panicked`.
pub fn install_panic_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            remember(info);
            before(info);
        }));
    });
}

/// Forgets a panic that is over, so that its words are not put into the mouth of a later one.
#[inline]
pub(crate) fn forget() {
    if REMEMBERED.replace(false) {
        let _ = LAST.try_with(|last| last.try_borrow_mut().map(|mut last| last.take()));
    }
}

/// What this thread's last panic said.
pub(crate) fn last_message() -> String {
    let said = LAST.try_with(|last| last.try_borrow().ok().and_then(|last| last.clone())).ok().flatten();
    said.unwrap_or_else(|| "panicked".to_owned())
}

fn remember(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    let place = info.location().map(|place| format!(" ({}:{})", place.file(), place.line()));
    let said = format!("panicked: {text}{}", place.unwrap_or_default());
    REMEMBERED.set(true);
    let _ = LAST.try_with(|last| last.try_borrow_mut().map(|mut last| *last = Some(said)));
}
