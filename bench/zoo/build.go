package zoo

import (
	"context"
	"fmt"
	"strings"
)

// Schema is the database of the tables with ordinary names; further databases have names that need encoding.
const Schema = "zoo"

// rowsPerTable is the size of an ordinary table of the zoo: enough for several levels of pages, little enough to be quick.
const rowsPerTable = 2000

// Kind is one exhibit: a name for messages, and the statements that make and fill it.
type Kind struct {
	Name string
	SQL  string
}

// text is an SQL expression for about n bytes that do not compress well, computed from seq.
func text(n int) string {
	parts := make([]string, 0, n/128+1)
	for i := 0; i*128 < n; i++ {
		parts = append(parts, fmt.Sprintf("SHA2(CONCAT(seq,'/%d'),512)", i))
	}
	return "CONCAT(" + strings.Join(parts, ",") + ")"
}

// plain is an ordinary table with an index, filled from the sequence engine.
func plain(name, options string) Kind {
	q := "`" + strings.ReplaceAll(name, "`", "``") + "`"
	return Kind{Name: name, SQL: fmt.Sprintf(`CREATE TABLE %[1]s (id INT PRIMARY KEY, a INT NOT NULL, t VARCHAR(400) NOT NULL, KEY (a)) %[2]s;
		INSERT INTO %[1]s SELECT seq, seq * 7 %% 1000, %[3]s FROM seq_1_to_%[4]d;`, q, options, text(256), rowsPerTable)}
}

// innodb is what the transactional engine has to offer.
func innodb() []Kind {
	kinds := []Kind{
		plain("redundant", "ENGINE=InnoDB ROW_FORMAT=REDUNDANT"),
		plain("compact", "ENGINE=InnoDB ROW_FORMAT=COMPACT"),
		plain("dynamic", "ENGINE=InnoDB ROW_FORMAT=DYNAMIC"),
		plain("compressed", "ENGINE=InnoDB ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8"),
		plain("compressed4", "ENGINE=InnoDB ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=4"),
		plain("encrypted", "ENGINE=InnoDB ENCRYPTED=YES ENCRYPTION_KEY_ID=1"),
		plain("encrypted2", "ENGINE=InnoDB ENCRYPTED=YES ENCRYPTION_KEY_ID=2"),
		plain("page_compressed_encrypted", "ENGINE=InnoDB PAGE_COMPRESSED=1 ENCRYPTED=YES"),
	}
	return append(kinds,
		// Well compressible rows, so that most of each page becomes a hole.
		Kind{"page_compressed", fmt.Sprintf(`CREATE TABLE page_compressed (id INT PRIMARY KEY, t TEXT) ENGINE=InnoDB PAGE_COMPRESSED=1 PAGE_COMPRESSION_LEVEL=6;
			INSERT INTO page_compressed SELECT seq, REPEAT(CHAR(97 + seq %% 26), 2000) FROM seq_1_to_%d;`, rowsPerTable)},
		Kind{"blobs", `CREATE TABLE blobs (id INT PRIMARY KEY, b LONGBLOB, c MEDIUMTEXT) ENGINE=InnoDB;
			INSERT INTO blobs SELECT seq, REPEAT(UNHEX(SHA2(seq, 512)), seq * 40), REPEAT('text ', seq * 100) FROM seq_1_to_60;`},
		Kind{"fulltext", fmt.Sprintf(`CREATE TABLE fulltext_t (id INT PRIMARY KEY, body TEXT, FULLTEXT KEY (body)) ENGINE=InnoDB;
			INSERT INTO fulltext_t SELECT seq, CONCAT_WS(' ', ELT(1 + seq %% 5, 'oar', 'bank', 'sail', 'keel', 'ram'),
			ELT(1 + seq %% 7, 'north', 'south', 'east', 'west', 'up', 'down', 'away'), CONCAT('word', seq)) FROM seq_1_to_%d;
			DELETE FROM fulltext_t WHERE id %% 11 = 0;`, rowsPerTable)},
		Kind{"partitions", fmt.Sprintf(`CREATE TABLE parts_hash (id INT PRIMARY KEY, v VARCHAR(300)) ENGINE=InnoDB PARTITION BY HASH (id) PARTITIONS 5;
			INSERT INTO parts_hash SELECT seq, SHA2(seq, 512) FROM seq_1_to_%[1]d;
			CREATE TABLE parts_range (id INT, d INT, v VARCHAR(300), PRIMARY KEY (id, d)) ENGINE=InnoDB
			PARTITION BY RANGE (d) SUBPARTITION BY HASH (id) SUBPARTITIONS 2
			(PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20), PARTITION pmax VALUES LESS THAN MAXVALUE);
			INSERT INTO parts_range SELECT seq, seq %% 30, SHA2(seq, 512) FROM seq_1_to_%[1]d;`, rowsPerTable)},
		Kind{"foreign_keys", `CREATE TABLE parent (id INT PRIMARY KEY, name VARCHAR(50)) ENGINE=InnoDB;
			CREATE TABLE child (id INT PRIMARY KEY, parent_id INT, FOREIGN KEY (parent_id) REFERENCES parent (id) ON DELETE CASCADE) ENGINE=InnoDB;
			INSERT INTO parent SELECT seq, CONCAT('parent ', seq) FROM seq_1_to_50;
			INSERT INTO child SELECT seq, 1 + seq % 50 FROM seq_1_to_500;`},
		Kind{"generated", `CREATE TABLE generated (id INT PRIMARY KEY, a INT, b INT AS (a * 2) STORED, c INT AS (a + 1) VIRTUAL, j JSON, g POINT NOT NULL,
			KEY (c), SPATIAL KEY (g)) ENGINE=InnoDB;
			INSERT INTO generated (id, a, j, g) SELECT seq, seq, JSON_OBJECT('n', seq), POINT(seq, seq) FROM seq_1_to_300;`},
		Kind{"versioned", `CREATE TABLE versioned (id INT PRIMARY KEY, v INT) ENGINE=InnoDB WITH SYSTEM VERSIONING;
			INSERT INTO versioned SELECT seq, 0 FROM seq_1_to_100; UPDATE versioned SET v = 1 WHERE id < 50; DELETE FROM versioned WHERE id > 90;`},
		Kind{"sequence", `CREATE SEQUENCE counter START WITH 100 INCREMENT BY 0 ENGINE=InnoDB; DO NEXT VALUE FOR counter;`},
		// Altered in place after rows were there: instant columns change the page format.
		Kind{"instant", `CREATE TABLE instant (id INT PRIMARY KEY, a INT) ENGINE=InnoDB; INSERT INTO instant SELECT seq, seq FROM seq_1_to_500;
			ALTER TABLE instant ADD COLUMN b VARCHAR(20) DEFAULT 'later', ALGORITHM=INSTANT; ALTER TABLE instant DROP COLUMN a, ALGORITHM=INSTANT;`},
		Kind{"empty", "CREATE TABLE nothing_inside (id INT PRIMARY KEY) ENGINE=InnoDB;"},
	)
}

// others are the further engines.
func others() []Kind {
	return []Kind{
		plain("aria_transactional", "ENGINE=Aria TRANSACTIONAL=1"),
		plain("aria_plain", "ENGINE=Aria TRANSACTIONAL=0"),
		plain("aria_dynamic", "ENGINE=Aria TRANSACTIONAL=0 ROW_FORMAT=DYNAMIC"),
		plain("myisam", "ENGINE=MyISAM"),
		{"myisam_fulltext", `CREATE TABLE myisam_fulltext (id INT PRIMARY KEY, t TEXT, FULLTEXT (t)) ENGINE=MyISAM;
			INSERT INTO myisam_fulltext SELECT seq, CONCAT('stroke ', seq, ' pull') FROM seq_1_to_300;`},
		{"csv", "CREATE TABLE csv_t (id INT NOT NULL, t VARCHAR(100) NOT NULL) ENGINE=CSV; INSERT INTO csv_t SELECT seq, SHA1(seq) FROM seq_1_to_500;"},
		{"archive", "CREATE TABLE archive_t (id INT, t TEXT) ENGINE=Archive; INSERT INTO archive_t SELECT seq, SHA2(seq, 512) FROM seq_1_to_500;"},
		{"merge", `CREATE TABLE merge_a (id INT, t VARCHAR(50), KEY (id)) ENGINE=MyISAM; CREATE TABLE merge_b LIKE merge_a;
			INSERT INTO merge_a SELECT seq, 'a' FROM seq_1_to_100; INSERT INTO merge_b SELECT seq, 'b' FROM seq_101_to_200;
			CREATE TABLE merge_all (id INT, t VARCHAR(50), KEY (id)) ENGINE=MERGE UNION=(merge_a, merge_b) INSERT_METHOD=LAST;`},
		{"memory", "CREATE TABLE memory_t (id INT PRIMARY KEY, v INT) ENGINE=MEMORY; INSERT INTO memory_t SELECT seq, seq FROM seq_1_to_100;"},
		{"blackhole", "CREATE TABLE blackhole_t (id INT) ENGINE=BLACKHOLE; INSERT INTO blackhole_t VALUES (1);"},
	}
}

// code is everything that is not a table. The event never runs: it would change data behind the back of a comparison.
func code() []Kind {
	return []Kind{
		{"view", "CREATE VIEW view_v AS SELECT id, a FROM dynamic WHERE a > 500;"},
		{"trigger", "CREATE TRIGGER trigger_t BEFORE INSERT ON parent FOR EACH ROW SET NEW.name = TRIM(NEW.name);"},
		{"procedure", "CREATE PROCEDURE procedure_p(IN n INT) BEGIN DECLARE i INT DEFAULT 0; WHILE i < n DO SET i = i + 1; END WHILE; END;"},
		{"function", "CREATE FUNCTION function_f(n INT) RETURNS INT DETERMINISTIC RETURN n * 2;"},
		{"event", "CREATE EVENT event_e ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01 00:00:00' DO DELETE FROM parent WHERE id < 0;"},
		{"account", "CREATE USER IF NOT EXISTS 'zoo keeper'@'localhost' IDENTIFIED BY 'oar'; GRANT SELECT ON zoo.* TO 'zoo keeper'@'localhost';"},
	}
}

// Names are database and table names that the server encodes for the file system, or that trip programs that build paths.
func Names() []string {
	return []string{"with space", "with.dot", "größe", "三段櫂船", "#hash", "semi;colon", "-dash", "per%cent", "quote'\"s", "back`tick",
		"slash/and\\back", "new\tline", "UPPER_lower", strings.Repeat("n", 60), "con", "@0040"}
}

// Build makes the whole zoo. It is for a node that is alone in its cluster (see the package comment) and has ServerOptions.
func Build(ctx context.Context, s Server) error {
	if err := s.Exec(ctx, "CREATE DATABASE "+Schema+"; CREATE DATABASE empty_database CHARACTER SET latin1"); err != nil {
		return fmt.Errorf("build zoo: %w", err)
	}
	for _, k := range append(append(innodb(), others()...), code()...) {
		if err := s.Exec(ctx, "USE "+Schema+"; "+k.SQL); err != nil {
			return fmt.Errorf("build zoo: exhibit %s: %w", k.Name, err)
		}
	}
	for _, name := range Names() {
		q := "`" + strings.ReplaceAll(name, "`", "``") + "`"
		sql := fmt.Sprintf(`CREATE DATABASE %[1]s; USE %[1]s; CREATE TABLE %[1]s (id INT PRIMARY KEY, v VARCHAR(64)) ENGINE=InnoDB;
			INSERT INTO %[1]s SELECT seq, SHA1(seq) FROM seq_1_to_100;
			CREATE TABLE %[2]s (id INT PRIMARY KEY) ENGINE=Aria; INSERT INTO %[2]s VALUES (1), (2);`, q, "`a "+strings.TrimPrefix(q, "`"))
		if err := s.Exec(ctx, sql); err != nil {
			return fmt.Errorf("build zoo: name %q: %w", name, err)
		}
	}
	return nil
}
