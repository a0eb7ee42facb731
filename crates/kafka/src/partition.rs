//! Where a key belongs.

use std::num::NonZeroU32;

/// The seed of Kafka's own default partitioner.
const SEED: u32 = 0x9747_b28c;

/// The partition that Kafka's own default partitioner gives to `key`, so that other clients agree with us.
#[must_use]
pub fn partition_of(key: &[u8], partitions: NonZeroU32) -> i32 {
    let positive = murmur2::murmur2(key, SEED) & 0x7fff_ffff;
    // A remainder of a number below 2^31 is below 2^31.
    i32::try_from(positive % partitions.get()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From `UtilsTest` of Kafka's Java client.
    const VECTORS: [(&str, i32); 6] = [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ];

    #[test]
    fn keys_go_where_kafkas_own_partitioner_puts_them() {
        for (key, hash) in VECTORS {
            for partitions in [1, 4, 12, 1_000_000] {
                let expected = (hash & 0x7fff_ffff) % i32::try_from(partitions).unwrap();
                assert_eq!(
                    partition_of(key.as_bytes(), NonZeroU32::new(partitions).unwrap()),
                    expected,
                    "{key}"
                );
            }
        }
    }
}
