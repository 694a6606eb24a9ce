extension [UInt8] {
    /// Overwrites the bytes with zeros, and forgets them: they may be a password.
    ///
    /// A copy elsewhere stays.
    package mutating func wipe() {
        for index in indices { self[index] = 0 }
        removeAll()
    }
}
