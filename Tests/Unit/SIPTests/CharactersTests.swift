import SIP
import Sys
import Testing

@Suite struct CharactersTests {
    private static let alphanumeric =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

    @Test(
        "a class has the characters of RFC 3261 and no other",
        arguments: [
            ("token", "-.!%*_+`'~"), ("user", "-_.!~*'()&=+$,;?/%#"), ("host", "-._"),
            ("URI", "!#$%&'()*+,-./:;=?@[]^_`{|}~"),
        ])
    func classes(_ name: String, _ others: String) {
        let expected = Set((Self.alphanumeric + others).utf8)
        for byte in UInt8.min...UInt8.max {
            let holds =
                switch name {
                case "token": Characters.isToken(byte)
                case "user": Characters.isUser(byte)
                case "host": Characters.isHost(byte)
                default: Characters.isURI(byte)
                }
            #expect(holds == expected.contains(byte), "\(name): \(byte)")
        }
    }

    @Test("the first control character is found wherever it stands")
    func control() {
        for length in 0..<40 {
            let plain = (0..<length).map { UInt8($0 * 37 % 95 + 0x20) } + [0x80, 0xFF]
            #expect(plain.span.firstControl(from: 0) == plain.count)
            for place in plain.indices {
                for byte in [0, 9, 10, 13, 0x1F, 0x7F] as [UInt8] {
                    var bytes = plain
                    bytes[place] = byte
                    for start in 0...place {
                        #expect(bytes.span.firstControl(from: start) == place)
                    }
                    #expect(bytes.span.firstControl(from: place + 1) == bytes.count)
                }
            }
        }
    }
}
