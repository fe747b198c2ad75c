// One real Kafka broker (and its controller) inside this JVM, and Kafka's own clients for what a test wants to know of it.
//
// usage: java -cp CLASSES:LIB/* Launcher DATA CERTIFICATES
//   DATA          directory of the broker's data, made when missing; its ports are kept there, so that it comes back on them
//   CERTIFICATES  directory with ca.pem, server.pem, server.key
//
// Prints "ready PLAIN SECURE MUTUAL CONTROL" once the broker answers: the ports on 127.0.0.1 of
//   PLAIN    neither encryption nor users (User:ANONYMOUS, who may do everything)
//   SECURE   TLS and users: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512; "tapir" and "stranger" with the password "secret of NAME"
//   MUTUAL   TLS, and a certificate of the client is wanted (User:CN=client)
//   CONTROL  one line in, lines out, the last of them "ok" or "error WHY":
//     create TOPIC PARTITIONS [KEY=VALUE...]   makes a topic
//     set TOPIC KEY=VALUE...                   changes its configuration
//     allow USER TOPIC                         gives Write and Describe
//     read TOPIC                               all records: "PARTITION OFFSET TIME KEY ID TYPE VALUE", the last four in base64
//                                              with an "=" in front, or "-" where there is none
//     crash                                    ends this JVM at once, as a power cut would; run.sh starts it again
//
// Ends when standard input closes or on SIGTERM, and shuts the broker down first. Exit: 0 ended as asked, 1 not started (why is
// on standard error), 2 usage, 75 crashed as told.

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import kafka.server.KafkaConfig;
import kafka.server.KafkaRaftServer;
import kafka.tools.StorageTool;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialAlteration;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.utils.Time;

public final class Launcher {
    private static final List<String> USERS = List.of("tapir", "stranger");
    private static final int PATIENCE_SECONDS = 30;
    private static final long CLOSING_SECONDS = 10;
    private static final int CRASHED = 75;

    private final String bootstrap;
    private final Admin admin;

    private Launcher(int port) {
        bootstrap = "127.0.0.1:" + port;
        admin = Admin.create(Map.of("bootstrap.servers", bootstrap, "default.api.timeout.ms", PATIENCE_SECONDS * 1000));
    }

    public static void main(String[] args) throws Exception {
        if (args.length != 2) {
            System.err.println("usage: Launcher DATA CERTIFICATES");
            System.exit(2);
        }
        Path data = Path.of(args[0]).toAbsolutePath();
        CountDownLatch asked = new CountDownLatch(1);
        CountDownLatch closed = new CountDownLatch(1);
        // On SIGTERM the JVM ends when its hooks have: this one holds it until the broker is down.
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            asked.countDown();
            try {
                closed.await(CLOSING_SECONDS, TimeUnit.SECONDS);
            } catch (InterruptedException ended) {
                Thread.currentThread().interrupt();
            }
        }));
        background("standard-input", () -> {
            untilInputCloses();
            asked.countDown();
        });
        int status = 0;
        KafkaRaftServer server = null;
        try {
            Files.createDirectories(data);
            boolean isNew = !Files.exists(data.resolve("log/meta.properties"));
            List<Integer> ports = ports(data.resolve("ports"), 5);
            Properties config = config(data, Path.of(args[1]), ports);
            if (isNew) {
                format(data, config);
            }
            server = new KafkaRaftServer(new KafkaConfig(config), Time.SYSTEM);
            server.startup();
            Launcher launcher = new Launcher(ports.get(0));
            launcher.admin.describeCluster().nodes().get(PATIENCE_SECONDS, TimeUnit.SECONDS);
            launcher.users();
            ServerSocket control = new ServerSocket(ports.get(4), 16, InetAddress.getByName("127.0.0.1"));
            background("control", () -> launcher.serve(control));
            System.out.println("ready " + ports.get(0) + " " + ports.get(1) + " " + ports.get(2) + " " + ports.get(4));
            System.out.flush();
            asked.await();
        } catch (Exception wrong) {
            System.err.println("kafka: " + wrong);
            status = 1;
        } finally {
            if (server != null) {
                server.shutdown();
            }
            closed.countDown();
        }
        System.exit(status);
    }

    private static void background(String name, Runnable work) {
        Thread thread = new Thread(work, name);
        thread.setDaemon(true);
        thread.start();
    }

    private static void untilInputCloses() {
        try {
            while (System.in.read() >= 0) { }
        } catch (IOException closed) {
            // Same meaning as its end.
        }
    }

    /** Ports that are free, the same again after a restart. */
    private static List<Integer> ports(Path kept, int count) throws IOException {
        List<Integer> ports = new ArrayList<>();
        if (Files.exists(kept)) {
            for (String port : Files.readString(kept).trim().split(" ")) {
                ports.add(Integer.parseInt(port));
            }
            return ports;
        }
        List<ServerSocket> held = new ArrayList<>();
        for (int n = 0; n < count; n++) {
            held.add(new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1")));
            ports.add(held.get(n).getLocalPort());
        }
        for (ServerSocket socket : held) {
            socket.close();
        }
        Files.writeString(kept, String.join(" ", ports.stream().map(String::valueOf).toList()));
        return ports;
    }

    private static Properties config(Path data, Path certificates, List<Integer> ports) throws IOException {
        Properties config = new Properties();
        String controller = "127.0.0.1:" + ports.get(3);
        String listeners = "PLAIN://127.0.0.1:" + ports.get(0) + ",SECURE://127.0.0.1:" + ports.get(1) + ",MUTUAL://127.0.0.1:" + ports.get(2);
        config.putAll(Map.of(
            "process.roles", "broker,controller",
            "node.id", "1",
            "controller.quorum.voters", "1@" + controller,
            "controller.listener.names", "CONTROLLER",
            "listeners", listeners + ",CONTROLLER://" + controller,
            "advertised.listeners", listeners,
            "listener.security.protocol.map", "PLAIN:PLAINTEXT,SECURE:SASL_SSL,MUTUAL:SSL,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name", "PLAIN",
            "log.dirs", data.resolve("log").toString()));
        // One broker, few threads, no waiting for more brokers.
        config.putAll(Map.of(
            "offsets.topic.replication.factor", "1",
            "num.network.threads", "1",
            "num.io.threads", "2",
            "group.initial.rebalance.delay.ms", "0",
            "auto.create.topics.enable", "true",
            "authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users", "User:ANONYMOUS"));
        String chain = Files.readString(certificates.resolve("server.pem"));
        String key = Files.readString(certificates.resolve("server.key"));
        for (String listener : List.of("secure", "mutual")) {
            String prefix = "listener.name." + listener + ".ssl.";
            config.put(prefix + "keystore.type", "PEM");
            config.put(prefix + "keystore.certificate.chain", chain);
            config.put(prefix + "keystore.key", key);
        }
        config.put("listener.name.mutual.ssl.client.auth", "required");
        config.put("listener.name.mutual.ssl.truststore.type", "PEM");
        config.put("listener.name.mutual.ssl.truststore.certificates", Files.readString(certificates.resolve("ca.pem")));
        config.put("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512");
        StringBuilder plain = new StringBuilder("org.apache.kafka.common.security.plain.PlainLoginModule required");
        for (String user : USERS) {
            plain.append(" user_").append(user).append("=\"").append(password(user)).append('"');
        }
        config.put("listener.name.secure.plain.sasl.jaas.config", plain + ";");
        for (String hash : List.of("256", "512")) {
            config.put("listener.name.secure.scram-sha-" + hash + ".sasl.jaas.config",
                "org.apache.kafka.common.security.scram.ScramLoginModule required;");
        }
        return config;
    }

    private static String password(String user) {
        return "secret of " + user;
    }

    private static void format(Path data, Properties config) throws IOException {
        Path file = data.resolve("server.properties");
        try (var out = Files.newOutputStream(file)) {
            config.store(out, null);
        }
        String id = org.apache.kafka.common.Uuid.randomUuid().toString();
        int status = StorageTool.execute(
            new String[] {"format", "--cluster-id", id, "--config", file.toString()}, new PrintStream(System.err));
        if (status != 0) {
            throw new IOException("the storage tool ended with " + status);
        }
    }

    private void users() throws Exception {
        // A user is changed once in a request.
        for (ScramMechanism mechanism : List.of(ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)) {
            List<UserScramCredentialAlteration> wanted = new ArrayList<>();
            for (String user : USERS) {
                wanted.add(new UserScramCredentialUpsertion(user, new ScramCredentialInfo(mechanism, 4096), password(user)));
            }
            admin.alterUserScramCredentials(wanted).all().get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        }
    }

    private void serve(ServerSocket control) {
        while (true) {
            try (Socket client = control.accept();
                 BufferedReader in = new BufferedReader(new InputStreamReader(client.getInputStream(), StandardCharsets.UTF_8));
                 PrintWriter out = new PrintWriter(client.getOutputStream(), false, StandardCharsets.UTF_8)) {
                String line = in.readLine();
                if (line == null) {
                    continue;
                }
                try {
                    obey(List.of(line.split(" ")), out);
                    out.println("ok");
                } catch (Exception wrong) {
                    Throwable cause = wrong.getCause() == null ? wrong : wrong.getCause();
                    out.println("error " + cause.toString().replace('\n', ' '));
                }
                out.flush();
            } catch (IOException gone) {
                // Who asked is not interested any more.
            }
        }
    }

    private void obey(List<String> words, PrintWriter out) throws Exception {
        switch (words.get(0)) {
            case "create" -> {
                Map<String, String> settings = settings(words.subList(3, words.size()));
                NewTopic topic = new NewTopic(words.get(1), Integer.parseInt(words.get(2)), (short) 1).configs(settings);
                admin.createTopics(List.of(topic)).all().get(PATIENCE_SECONDS, TimeUnit.SECONDS);
            }
            case "set" -> {
                Collection<AlterConfigOp> changes = new ArrayList<>();
                settings(words.subList(2, words.size())).forEach((key, value) ->
                    changes.add(new AlterConfigOp(new ConfigEntry(key, value), AlterConfigOp.OpType.SET)));
                ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, words.get(1));
                admin.incrementalAlterConfigs(Map.of(topic, changes)).all().get(PATIENCE_SECONDS, TimeUnit.SECONDS);
            }
            case "allow" -> {
                ResourcePattern topic = new ResourcePattern(ResourceType.TOPIC, words.get(2), PatternType.LITERAL);
                List<AclBinding> rights = new ArrayList<>();
                for (AclOperation operation : List.of(AclOperation.WRITE, AclOperation.DESCRIBE)) {
                    rights.add(new AclBinding(topic,
                        new AccessControlEntry("User:" + words.get(1), "*", operation, AclPermissionType.ALLOW)));
                }
                admin.createAcls(rights).all().get(PATIENCE_SECONDS, TimeUnit.SECONDS);
            }
            case "read" -> read(words.get(1), out);
            case "crash" -> Runtime.getRuntime().halt(CRASHED);
            default -> throw new IllegalArgumentException("unknown word " + words.get(0));
        }
    }

    private static Map<String, String> settings(List<String> words) {
        Map<String, String> settings = new TreeMap<>();
        for (String word : words) {
            String[] pair = word.split("=", 2);
            settings.put(pair[0], pair[1]);
        }
        return settings;
    }

    /** From the beginning to what is the end now. Checksums are looked at, as a consumer does. */
    private void read(String topic, PrintWriter out) {
        Map<String, Object> settings = Map.of(
            "bootstrap.servers", bootstrap, "check.crcs", "true", "allow.auto.create.topics", "false",
            "key.deserializer", ByteArrayDeserializer.class, "value.deserializer", ByteArrayDeserializer.class);
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings)) {
            List<TopicPartition> partitions = new ArrayList<>();
            for (PartitionInfo info : consumer.partitionsFor(topic)) {
                partitions.add(new TopicPartition(topic, info.partition()));
            }
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            while (partitions.stream().anyMatch(one -> consumer.position(one) < ends.get(one))) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(500))) {
                    out.println(String.join(" ", List.of(
                        String.valueOf(record.partition()), String.valueOf(record.offset()), String.valueOf(record.timestamp()),
                        text(record.key()), header(record, "tapir-event-id"), header(record, "content-type"), text(record.value()))));
                }
            }
        }
    }

    private static String header(ConsumerRecord<byte[], byte[]> record, String name) {
        Header header = record.headers().lastHeader(name);
        return text(header == null ? null : header.value());
    }

    private static String text(byte[] bytes) {
        return bytes == null ? "-" : "=" + Base64.getEncoder().encodeToString(bytes);
    }
}
