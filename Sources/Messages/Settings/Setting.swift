internal import Sys
package import Wire

/// One value of the settings as the unprivileged reader of the text hands it on: typed, bounded, in one frame.
///
/// The order of frames is the order of the text; list settings come as one frame an item. A frame is the number
/// of the key's row, the name that the file chose if the key stands under one, and the value in the row's form.
package struct Setting: Equatable, Sendable {
    /// The key with its group, as it is documented: "trunks.NAME.servers".
    package let path: String
    /// What each process is told.
    package let told: Told
    /// Whether a change needs new sockets, hence a restart of the daemon rather than a reload.
    package let isFixedAtStart: Bool
    private let frame: [UInt8]

    /// A value of a row, under a name that the file chose.
    init<Value, Standard>(_ row: SettingRow<Value, Standard>, _ value: Value, of name: String) {
        path = row.path
        isFixedAtStart = row.isFixedAtStart
        var writer = WireWriter(kind: row.number)
        if row.isNamed { writer.string(name) }
        row.form.write(value, &writer)
        frame = writer.bytes
        var told = Told()
        for reader in row.readers { reader.tell(value, name, &told) }
        self.told = told
    }

    /// Which processes are told the setting.
    package var readers: [Role] { told.readers }

    /// The setting's frame.
    package func encoded() -> [UInt8] { frame }

    /// The setting of a frame; throws what its row says of a value that is not one of its own.
    package init(decoding frame: Span<UInt8>) throws(WireError) {
        var reader = WireReader(frame)
        let number = try reader.u8()
        guard let key = SettingKey.key(number) else { throw .unknownKind(number) }
        self = try key.decode(&reader)
        try reader.finish()
    }
}
