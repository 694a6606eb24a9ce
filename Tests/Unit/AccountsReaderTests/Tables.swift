/// Bytes as lower-case hexadecimal.
func hex(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

/// The tables as Asterisk's own scripts make them, as far as they are read.
enum Tables {
    static let chanSip = """
        CREATE TABLE sippeers (id INTEGER PRIMARY KEY, name VARCHAR(40), type VARCHAR(10),
            host VARCHAR(40), secret VARCHAR(40), md5secret VARCHAR(40), dynamic VARCHAR(5));
        INSERT INTO sippeers (name, type, host, secret, md5secret) VALUES
            ('1001', 'friend', 'dynamic', 'one', NULL),
            ('1002', 'friend', 'dynamic', 'old', 'AABBCCDDEEFF00112233445566778899'),
            ('1003', 'user', 'dynamic', 'three', ''),
            ('1004', 'friend', '192.0.2.9', 'four', ''),
            ('1005', 'friend', 'dynamic', '', NULL),
            ('1006', 'friend', 'dynamic', NULL, 'not hexadecimal'),
            ('Anna', 'friend', 'Dynamic', 'anna', '');
        """

    /// PJSIP's tables beside that of the endpoints.
    static let pjsipBeside = """
        CREATE TABLE ps_auths (id VARCHAR(255), auth_type VARCHAR(20), username VARCHAR(40),
            password VARCHAR(80), md5_cred VARCHAR(40), realm VARCHAR(255),
            password_digest VARCHAR(1024));
        CREATE TABLE ps_aors (id VARCHAR(255), max_contacts INTEGER);
        """

    static let pjsip =
        pjsipBeside + """
            CREATE TABLE ps_endpoints (id VARCHAR(255), aors VARCHAR(2048), auth VARCHAR(255));
            INSERT INTO ps_endpoints VALUES
                ('2001', '2001', '2001'), ('2002', '2002', 'hash'), ('2003', '2003', 'digests'),
                ('2004', 'other, 2004', 'none, 2001'), ('2005', '2005', ''),
                ('2006@sip.example.com', '2006@sip.example.com', '2006'), ('2007', 'full', '2001');
            INSERT INTO ps_auths VALUES
                ('2001', 'userpass', 'phone', 'two', NULL, NULL, NULL),
                ('hash', 'md5', '2002', NULL, '00112233445566778899aabbccddeeff', 'elsewhere', NULL),
                ('digests', 'digest', '2003', NULL, NULL, '',
                 'MD5:000102030405060708090a0b0c0d0e0f,SHA-256:000102030405060708090a0b0c0d0e0f'
                 || '000102030405060708090a0b0c0d0e0f'),
                ('none', 'userpass', 'none', '', NULL, NULL, NULL),
                ('2006', 'userpass', '2006', 'six', NULL, NULL, NULL);
            INSERT INTO ps_aors VALUES ('2001', 1), ('2002', 1), ('2003', 1), ('2004', 5), ('other', 0),
                ('2005', 1), ('2006@sip.example.com', 1), ('full', 0);
            """
}
