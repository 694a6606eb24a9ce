internal import Messages
internal import Settings
internal import Sys
internal import Wire

/// What processes tell each other, and the settings text.
extension Properties {
    /// A frame of any link is refused, or what it says is written again as the same bytes.
    ///
    /// The first byte says which link. No number of a frame that is read is outside its range.
    package static func frame(_ bytes: Span<UInt8>) -> String? {
        guard bytes.count > 0 else { return nil }
        let link = bytes[0] % 13
        let frame = bytes.extracting(1..<bytes.count)
        guard let again = rewritten(link, frame) else { return nil }
        if let fault = outside(link, frame) { return "link \(link): \(fault) is outside its range" }
        return again == [UInt8](copying: frame) ? nil : "link \(link): written otherwise"
    }

    /// What of a frame that was read is outside its range, looked at by itself.
    private static func outside(_ link: UInt8, _ frame: Span<UInt8>) -> String? {
        switch link {
        case 0:
            switch try? RouterToDirectory(decoding: frame) {
            case .bind(let record): outside(record)
            case .storeStanding(let standing): outside(standing)
            default: nil
            }
        case 1:
            switch try? DirectoryToRouter(decoding: frame) {
            case .binding(let record): outside(record)
            case .standing(let standing): outside(standing)
            default: nil
            }
        case 2:
            switch try? RouterToBanner(decoding: frame) {
            case .protect(_, let until): isMoment(until) ? nil : "until"
            case .ban(let order):
                isMoment(order.firstSeen) && isMoment(order.lastSeen)
                    && (0...31_536_000_000).contains(order.atLeast.count)
                    && (1...1_000_000).contains(order.count) ? nil : "order"
            default: nil
            }
        case 3:
            switch try? BannerToRouter(decoding: frame) {
            case .banned(let source, let until):
                isMoment(until) && [24, 32, 48, 64].contains(source.prefix) ? nil : "ban"
            case .located(_, let country): [0, 2].contains(country.utf8.count) ? nil : "country"
            default: nil
            }
        case 5:
            switch try? ControlReply(decoding: frame) {
            case .ban(let row):
                [row.since, row.until, row.firstSeen, row.lastSeen].allSatisfy(isMoment)
                    ? nil : "row"
            case .call(let row): isMoment(row.since) ? nil : "since"
            case .phone(let row): row.address.port > 0 ? nil : "port"
            default: nil
            }
        default: nil
        }
    }

    private static func outside(_ record: BindingRecord) -> String? {
        isMoment(record.expires) && record.q <= 1000 && record.address.port > 0
            && record.sequence < 1 << 31 && record.listener < 72
            && (record.connection == 0) == (record.transport == .udp) ? nil : "binding"
    }

    private static func outside(_ standing: AccountStanding) -> String? {
        isMoment(standing.heldUntil) && isMoment(standing.barredSince)
            && standing.countries.utf8.count % 2 == 0 ? nil : "standing"
    }

    /// Whether a moment lies between 1970 and 2200.
    private static func isMoment(_ value: Milliseconds) -> Bool {
        (0...7_258_118_400_000).contains(value.count)
    }

    /// A frame as its link writes what it says; nil for a frame that is refused.
    private static func rewritten(_ link: UInt8, _ frame: Span<UInt8>) -> [UInt8]? {
        switch link {
        case 0: (try? RouterToDirectory(decoding: frame))?.encoded()
        case 1: (try? DirectoryToRouter(decoding: frame))?.encoded()
        case 2: (try? RouterToBanner(decoding: frame))?.encoded()
        case 3: (try? BannerToRouter(decoding: frame))?.encoded()
        case 4: (try? ControlRequest(decoding: frame))?.encoded()
        case 5: (try? ControlReply(decoding: frame))?.encoded()
        case 6: (try? Setting(decoding: frame))?.encoded()
        case 7: (try? ChildMessage(decoding: frame))?.encoded()
        case 8: supervised(frame, passed: nil)
        // A descriptor that is none: a frame may carry one without anything being opened.
        case 9: supervised(frame, passed: Descriptor(owning: -1))
        case 11: (try? DirectoryToReader(decoding: frame))?.encoded()
        case 12: (try? ReaderToDirectory(decoding: frame))?.encoded()
        default: plaintext(frame)
        }
    }

    private static func supervised(_ frame: Span<UInt8>, passed: Descriptor?) -> [UInt8]? {
        (try? SupervisorMessage(decoding: frame, passed: passed))?.encoded().frame
    }

    private static func plaintext(_ frame: Span<UInt8>) -> [UInt8]? {
        guard let head = try? PlaintextHeader(decoding: frame) else { return nil }
        var again = [UInt8](repeating: 0, count: PlaintextHeader.length)
        head.write(into: &again)
        let payload = frame.extracting(PlaintextHeader.length..<frame.count)
        switch head.kind {
        case .opened:
            guard let opened = try? OpenedPayload(decoding: payload) else { return nil }
            return again + opened.encoded()
        case .handshakeFailed:
            guard let failed = try? HandshakeFailedPayload(decoding: payload) else { return nil }
            return again + failed.encoded()
        default: return again + [UInt8](copying: payload)
        }
    }

    /// A settings text is good, and then every setting crosses to the supervisor as it is; or it has an
    /// error that can be shown on a terminal.
    package static func settings(_ bytes: Span<UInt8>) -> String? {
        let file = SettingsFile([UInt8](copying: bytes))
        for setting in file.settings {
            let frame = setting.encoded()
            guard (try? Setting(decoding: frame.span)) == setting else {
                return "\(setting) does not cross"
            }
        }
        for diagnostic in file.diagnostics {
            let shown = file.rendered(diagnostic, file: "rempart.yaml")
            for scalar in shown.unicodeScalars where scalar.value < 0x20 && scalar != "\n" {
                return "a diagnostic shows the control character \(scalar.value)"
            }
        }
        return file.isGood == !file.settings.isEmpty
            ? nil : "good without settings, or wrong with them"
    }
}
