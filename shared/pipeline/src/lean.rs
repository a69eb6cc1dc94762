//! Reading collections from bytes that nobody vouches for.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

/// A collection that grows with what is there: room is never made by the length that the input
/// claims, which may be anything.
pub(crate) fn collect<'de, D, T, C>(deserializer: D) -> Result<C, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
    C: Default + Extend<T> + IntoIterator<Item = T>,
{
    struct Items<C>(PhantomData<C>);

    impl<'de, T, C> Visitor<'de> for Items<C>
    where
        T: Deserialize<'de>,
        C: Default + Extend<T> + IntoIterator<Item = T>,
    {
        type Value = C;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a sequence")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<C, A::Error> {
            let mut collected = C::default();
            while let Some(item) = items.next_element()? {
                collected.extend(Some(item));
            }
            Ok(collected)
        }
    }

    deserializer.deserialize_seq(Items(PhantomData))
}
