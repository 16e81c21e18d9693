BEGIN TRANSACTION;
CREATE TABLE handshake_causes (
            flow TEXT NOT NULL,
            run TEXT NOT NULL,
            rank BIGINT NOT NULL,
            code TEXT NOT NULL,
            host TEXT NOT NULL,
            certainty TEXT NOT NULL,
            summary TEXT NOT NULL,
            PRIMARY KEY (flow, run, rank),
            FOREIGN KEY (flow, run) REFERENCES handshake_verdicts ON DELETE CASCADE);
INSERT INTO "handshake_causes" VALUES('de4b48665bdb55ae841fe1cdf5e6842b','20261128T150200-388bfe',0,'firewall_drop','db1','proven','rule ''tcp dport 5432 counter drop'' (table inet filter, chain input, handle 2) on db1 drops the SYN');
INSERT INTO "handshake_causes" VALUES('de4b48665bdb55ae841fe1cdf5e6842b','20261128T150228-3f4304',0,'firewall_drop','db1','proven','rule ''tcp dport 5432 counter drop'' (table inet filter, chain input, handle 2) on db1 drops the SYN');
CREATE TABLE handshake_changed_flows (
            run TEXT NOT NULL,
            number BIGINT NOT NULL,
            flow TEXT NOT NULL REFERENCES handshake_flows ON DELETE CASCADE,
            PRIMARY KEY (run, number, flow),
            FOREIGN KEY (run, number) REFERENCES handshake_changes ON DELETE CASCADE);
INSERT INTO "handshake_changed_flows" VALUES('20261128T150318-767fb0',0,'de4b48665bdb55ae841fe1cdf5e6842b');
CREATE TABLE handshake_changes (
            run TEXT NOT NULL REFERENCES handshake_runs ON DELETE CASCADE,
            number BIGINT NOT NULL,
            code TEXT NOT NULL,
            host TEXT NOT NULL,
            kind TEXT NOT NULL,
            outcome TEXT NOT NULL,
            summary TEXT NOT NULL,
            PRIMARY KEY (run, number));
INSERT INTO "handshake_changes" VALUES('20261128T150318-767fb0',0,'firewall_drop','db1','firewall','kept','accept TCP from 10.0.1.11 to 10.0.2.21 port 5432 before rule 1 of chain input');
CREATE TABLE handshake_flows (
            flow TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            client TEXT NOT NULL,
            server TEXT NOT NULL,
            address TEXT NOT NULL,
            port BIGINT NOT NULL);
INSERT INTO "handshake_flows" VALUES('de4b48665bdb55ae841fe1cdf5e6842b','web-to-db','web1','db1','10.0.2.21',5432);
CREATE TABLE handshake_runs (
            run TEXT PRIMARY KEY,
            started BIGINT,
            finished BIGINT NOT NULL,
            controller TEXT NOT NULL,
            digest TEXT NOT NULL);
INSERT INTO "handshake_runs" VALUES('20261128T150126-2ed780',1795878086,1795878100,'vm','fd2e10ed8e4418536c772f8564b8e254d32e230e6d0a781d705a925d18eab93e');
INSERT INTO "handshake_runs" VALUES('20261128T150200-388bfe',1795878120,1795878141,'vm','6467d60438b1e2bffd18b1653c2ff17bb38bca2c0928ed8fc333b7b50a6039a4');
INSERT INTO "handshake_runs" VALUES('20261128T150228-3f4304',1795878148,1795878176,'vm','50280ff0aa6e71d41fdef2ab977f7452b87503de4a9075440213a60b60660548');
INSERT INTO "handshake_runs" VALUES('20261128T150318-767fb0',1795878198,1795878222,'vm','750fa3826250add6d3c665526e7a59f0f72ed509353dcd36322c742c0e885633');
CREATE TABLE handshake_schema (version BIGINT NOT NULL);
INSERT INTO "handshake_schema" VALUES(1);
CREATE TABLE handshake_told (
            webhook TEXT NOT NULL,
            flow TEXT NOT NULL REFERENCES handshake_flows ON DELETE CASCADE,
            status TEXT NOT NULL,
            code TEXT NOT NULL,
            host TEXT NOT NULL,
            PRIMARY KEY (webhook, flow));
CREATE TABLE handshake_verdicts (
            flow TEXT NOT NULL REFERENCES handshake_flows ON DELETE CASCADE,
            run TEXT NOT NULL REFERENCES handshake_runs ON DELETE CASCADE,
            finished BIGINT NOT NULL,
            status TEXT NOT NULL,
            leg TEXT NOT NULL,
            segment TEXT NOT NULL,
            attempts BIGINT NOT NULL,
            connected BIGINT NOT NULL,
            connect_ms DOUBLE PRECISION,
            PRIMARY KEY (flow, run));
INSERT INTO "handshake_verdicts" VALUES('de4b48665bdb55ae841fe1cdf5e6842b','20261128T150126-2ed780',1795878100,'ok','','',3,3,0.295);
INSERT INTO "handshake_verdicts" VALUES('de4b48665bdb55ae841fe1cdf5e6842b','20261128T150200-388bfe',1795878141,'broken','syn','server.firewall',3,0,NULL);
INSERT INTO "handshake_verdicts" VALUES('de4b48665bdb55ae841fe1cdf5e6842b','20261128T150228-3f4304',1795878176,'broken','syn','server.firewall',3,0,NULL);
INSERT INTO "handshake_verdicts" VALUES('de4b48665bdb55ae841fe1cdf5e6842b','20261128T150318-767fb0',1795878222,'ok','','',3,3,0.445);
CREATE INDEX handshake_runs_finished ON handshake_runs (finished);
CREATE INDEX handshake_verdicts_in_time ON handshake_verdicts (flow, finished, run);
CREATE INDEX handshake_verdicts_run ON handshake_verdicts (run);
CREATE INDEX handshake_changed_flows_flow ON handshake_changed_flows (flow);
COMMIT;
