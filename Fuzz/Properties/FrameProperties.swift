internal import Messages
internal import Settings
internal import Sys
internal import Wire

/// What processes tell each other, and the settings text.
extension Properties {
    /// A frame of any link is refused, or what it says is written again as a frame that says the same; the
    /// first byte says which link.
    ///
    /// The bytes are the same too, except that a network may come with bits beyond its prefix.
    package static func frame(_ bytes: Span<UInt8>) -> String? {
        guard bytes.count > 0 else { return nil }
        let link = bytes[0] % 11
        let frame = bytes.extracting(1..<bytes.count)
        guard let again = rewritten(link, frame) else { return nil }
        guard again.count == frame.count, rewritten(link, again.span) == again else {
            return "link \(link): says something else when it is written again"
        }
        let isNetwork = link == 6 && again[0] == 13 || link == 8 && again[0] == 3
        return isNetwork || again == [UInt8](copying: frame)
            ? nil : "link \(link): written otherwise"
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
