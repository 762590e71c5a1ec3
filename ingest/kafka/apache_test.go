package kafka

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/ingest"
)

// apache is the broker that the tests share; nil without one.
var apache *broker

// TestMain starts Apache Kafka from the folder TELLTALE_KAFKA (.ci/kafka makes it), or
// becomes a member of a group for the test that stops one.
func TestMain(m *testing.M) {
	if spec := os.Getenv("TELLTALE_KAFKA_MEMBER"); spec != "" {
		member(spec)
		return
	}
	os.Exit(func() int {
		if os.Getenv("TELLTALE_KAFKA") == "" {
			return m.Run()
		}
		dir, err := os.MkdirTemp("", "kafka")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir) //nolint:errcheck // temporary
		b, err := newBroker(dir)
		if err == nil {
			err = b.start()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer b.kill()
		apache = b
		return m.Run()
	}())
}

// broker is Apache Kafka in a process of its own: one node that is its own controller.
type broker struct {
	dir   string
	ports [4]string // plain, TLS with certificates of both, SASL over TLS, controller
	cmd   *exec.Cmd
}

func needsApache(t *testing.T) *broker {
	t.Helper()
	if apache == nil {
		t.Skip("skipped: TELLTALE_KAFKA names no folder with Apache Kafka")
	}
	return apache
}

func newBroker(dir string) (*broker, error) {
	b := &broker{dir: dir}
	for i := range b.ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		_, b.ports[i], _ = net.SplitHostPort(l.Addr().String())
		defer l.Close() //nolint:errcheck // only to learn a port
	}
	if err := b.certificates(); err != nil {
		return nil, err
	}
	at := func(names ...string) string {
		var all []string
		for i, n := range names {
			all = append(all, n+"://127.0.0.1:"+b.ports[i])
		}
		return strings.Join(all, ",")
	}
	login := "org.apache.kafka.common.security."
	text := strings.Join([]string{
		"process.roles=broker,controller", "node.id=1", "controller.quorum.voters=1@127.0.0.1:" + b.ports[3],
		"listeners=" + at("PLAINTEXT", "SSL", "SASL_SSL", "CONTROLLER"), "advertised.listeners=" + at("PLAINTEXT", "SSL", "SASL_SSL"),
		"controller.listener.names=CONTROLLER", "inter.broker.listener.name=PLAINTEXT",
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
		"log.dirs=" + filepath.Join(dir, "log"), "offsets.topic.replication.factor=1", "offsets.topic.num.partitions=4",
		"transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1", "transaction.state.log.num.partitions=4", "auto.create.topics.enable=false",
		"ssl.keystore.type=PEM", "ssl.keystore.location=" + filepath.Join(dir, "server.pem"),
		"ssl.truststore.type=PEM", "ssl.truststore.location=" + filepath.Join(dir, "ca.pem"), "listener.name.ssl.ssl.client.auth=required",
		"listener.name.sasl_ssl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
		"listener.name.sasl_ssl.plain.sasl.jaas.config=" + login + `plain.PlainLoginModule required user_alice="alice-secret";`,
		"listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=" + login + "scram.ScramLoginModule required;",
		"listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=" + login + "scram.ScramLoginModule required;",
	}, "\n")
	config := filepath.Join(dir, "server.properties")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	format := b.java(context.Background(), "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", config,
		"--add-scram", "SCRAM-SHA-256=[name=alice,password=alice-secret]", "--add-scram", "SCRAM-SHA-512=[name=alice,password=alice-secret]")
	if out, err := format.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("format: %w: %s", err, out)
	}
	return b, nil
}

func (b *broker) java(ctx context.Context, args ...string) *exec.Cmd {
	args = append([]string{"-Xmx320m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", filepath.Join(os.Getenv("TELLTALE_KAFKA"), "libs") + "/*"}, args...)
	return exec.CommandContext(ctx, "java", args...) //nolint:gosec // the tester's own
}

// start returns when the broker answers.
func (b *broker) start() error {
	b.cmd = b.java(context.Background(), "kafka.Kafka", filepath.Join(b.dir, "server.properties"))
	out, err := os.Create(filepath.Join(b.dir, "out"))
	if err != nil {
		return err
	}
	b.cmd.Stdout, b.cmd.Stderr = out, out
	if err := b.cmd.Start(); err != nil {
		return err
	}
	for range 600 {
		if c, err := net.DialTimeout("tcp", "127.0.0.1:"+b.ports[0], time.Second); err == nil {
			_ = c.Close()
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.kill()
	said, _ := os.ReadFile(out.Name())
	return fmt.Errorf("kafka does not listen after a minute: %s", said)
}

// kill is kill -9.
func (b *broker) kill() {
	if b.cmd != nil && b.cmd.Process != nil {
		_ = b.cmd.Process.Kill()
		_ = b.cmd.Wait()
	}
	b.cmd = nil
}

func (b *broker) plain() Cluster { return Cluster{Brokers: []string{"127.0.0.1:" + b.ports[0]}} }

func (b *broker) file(name string) string { return filepath.Join(b.dir, name) }

// certificates makes an authority with a server and a client, and another authority.
func (b *broker) certificates() error {
	ca, caKey, err := b.authority("ca")
	if err != nil {
		return err
	}
	if _, _, err := b.authority("other"); err != nil {
		return err
	}
	for _, who := range []string{"server", "client"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		c := &x509.Certificate{
			SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: who}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, KeyUsage: x509.KeyUsageDigitalSignature, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}
		der, err := x509.CreateCertificate(rand.Reader, c, ca, &key.PublicKey, caKey)
		if err != nil {
			return err
		}
		raw, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return err
		}
		private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
		public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
		for name, text := range map[string][]byte{who + ".pem": append(private, public...), who + ".key": private} {
			if err := os.WriteFile(b.file(name), text, 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *broker) authority(name string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		return nil, nil, err
	}
	return c, key, os.WriteFile(b.file(name+".pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
}

// tls is whom to trust, with our own certificate where who is given.
func (b *broker) tls(trust, who string) *ingest.TLS {
	c := &ingest.TLS{CA: b.file(trust + ".pem")}
	if who != "" {
		c.Certificate, c.Key = b.file(who+".pem"), b.file(who+".key")
	}
	return c
}
