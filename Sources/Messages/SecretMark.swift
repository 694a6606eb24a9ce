/// The mark of a secret.
extension Account {
    /// What tells the account's secret from another one of the same account: four bytes of a hash of its HA1, never 0;
    /// 0 when there is no HA1.
    ///
    /// Bindings are kept with it over restarts, so it depends on nothing but the HA1: that by MD5, else the other one.
    package var secretMark: UInt32 {
        let ha1 = ha1MD5.isEmpty ? ha1SHA256 : ha1MD5
        guard !ha1.isEmpty else { return 0 }
        // FNV-1a: the HA1 is itself a hash, of which no two secrets have near ones.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in ha1 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return max(UInt32(truncatingIfNeeded: hash ^ hash >> 32), 1)
    }
}
