//! Any sink as a plugin.

use spanlake_core::{Error, Sink};

use super::{Pieces, Plugin, Portion};

/// A sink of this or any other crate as a plugin: files, streams, and what users write.
pub struct SinkPlugin(Box<dyn Sink>);

impl SinkPlugin {
    /// This sink. Its level is the plugin's, besides what the plugin's match says.
    pub fn new(sink: impl Sink + 'static) -> Self {
        Self(Box::new(sink))
    }
}

impl Plugin for SinkPlugin {
    fn write(&mut self, portion: &Portion<'_>) -> Result<(), Error> {
        self.0.write(&portion.batch())
    }

    /// A sink knows nothing of where a record stood.
    fn pieces(&self) -> Pieces {
        Pieces::Records
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.0.flush()
    }

    fn tick(&mut self) -> Result<(), Error> {
        self.0.tick()
    }
}

impl std::fmt::Debug for SinkPlugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SinkPlugin").field(&self.0.name()).finish()
    }
}
