//! ApiVersions v0, and the answer in v0's layout to any version that is not supported (KIP-511).
use crate::cluster::State;
use crate::wire::Writer;

const UNSUPPORTED_VERSION: i16 = 35;

impl State {
    pub(crate) fn api_versions(&mut self, node: i32, error: i16) -> Writer {
        let mut out = Writer::default();
        let only = |key: i16| error == 0 || error == UNSUPPORTED_VERSION && key == 18;
        let ranges: Vec<_> =
            self.broker(node).profile.entries().iter().copied().filter(|entry| only(entry.0)).collect();
        out.code(error).array(ranges, |out, (key, min, max)| {
            out.i16(key).i16(min).i16(max);
        });
        out
    }
}
