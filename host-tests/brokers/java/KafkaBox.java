// KafkaBox: one JVM that hosts Kafka brokers for tests and answers admin and producer commands on its standard input.
//
//   java ... -cp "box.jar:$LIB/*" KafkaBox [BROKER.properties ...]
//
// Every properties file named is formatted when its log.dirs hold no meta.properties (more arguments of the format:
// environment variable KAFKABOX_FORMAT), then started; all of them run in this JVM. Without files it is only an
// admin/producer process for brokers that run elsewhere. "READY ms" is printed when every broker has left startup().
// One line in = one command, one line out = "ok ..." or "err ExceptionClass message". End of input = halt at once, so
// brokers never outlive the test that holds the pipe.
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.*;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.*;
import org.apache.kafka.common.resource.*;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.Time;

@SuppressWarnings("removal")                                                 // ConsumerGroupDescription.state(): the only one 3.9 has
public class KafkaBox {
    static volatile Admin admin;
    static volatile boolean busy;                                            // a command is being carried out
    static String bootstrap = System.getProperty("bootstrap", "");
    static final Properties client = new Properties();                       // extra client properties ("client k=v")
    static final Map<String, Producer<byte[], byte[]>> producers = new HashMap<>();
    static final List<kafka.server.KafkaRaftServer> servers = new ArrayList<>();
    static final List<Properties> configs = new ArrayList<>();

    public static void main(String[] files) throws Exception {
        long t0 = System.nanoTime();
        List<Thread> starts = new ArrayList<>();
        for (String file : files) {
            Properties p = new Properties();
            try (Reader r = Files.newBufferedReader(Path.of(file))) { p.load(r); }
            String dir = p.getProperty("log.dirs").split(",")[0];
            if (!Files.exists(Path.of(dir, "meta.properties"))) {
                String extra = System.getenv().getOrDefault("KAFKABOX_FORMAT", "");
                List<String> a = new ArrayList<>(List.of("format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", file));
                // SCRAM users are separated by ';': they hold '=' and ',' themselves
                for (String s : extra.split(" (?=--)")) for (String w : s.trim().split(" ", 2)) if (!w.isEmpty()) a.add(w);
                int rc = kafka.tools.StorageTool.execute(a.toArray(new String[0]), System.err);
                if (rc != 0) { System.out.println("err format " + rc); System.exit(1); }
            }
            configs.add(p);
            kafka.server.KafkaRaftServer s = server(p);
            servers.add(s);
            Thread t = new Thread(() -> {
                try { s.startup(); } catch (Throwable e) { System.out.println("err start " + e); System.out.flush(); Runtime.getRuntime().halt(1); }
            });
            starts.add(t);
            t.start();
        }
        for (Thread t : starts) t.join();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> servers.forEach(s -> { s.shutdown(); s.awaitShutdown(); })));    // SIGTERM
        // A request to a frozen broker times out only when something wakes the admin client's thread: otherwise it sleeps
        // until the whole call has timed out, and never asks another broker.
        Executors.newSingleThreadScheduledExecutor(task -> { Thread t = new Thread(task); t.setDaemon(true); return t; }).scheduleAtFixedRate(() -> {
            Admin a = busy ? admin : null;
            try { if (a != null) a.describeCluster(new DescribeClusterOptions().timeoutMs(500)); } catch (IllegalStateException closing) { }
        }, 500, 500, TimeUnit.MILLISECONDS);
        say("READY " + (System.nanoTime() - t0) / 1000000);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = in.readLine()) != null; ) {
            if (line.isBlank()) continue;
            busy = true;
            try { say("ok " + run(line.trim().split("\\s+"))); }
            catch (Throwable e) {
                Throwable c = e instanceof ExecutionException && e.getCause() != null ? e.getCause() : e;
                say("err " + c.getClass().getSimpleName() + " " + String.valueOf(c.getMessage()).replace('\n', ' '));
            }
            busy = false;
        }
        Runtime.getRuntime().halt(0);
    }

    static kafka.server.KafkaRaftServer server(Properties p) {
        return new kafka.server.KafkaRaftServer(kafka.server.KafkaConfig.fromProps(p), Time.SYSTEM);
    }

    static void say(String s) { System.out.println(s.trim()); System.out.flush(); }

    static Admin admin() {
        if (admin == null) {
            Properties p = new Properties();
            p.putAll(client);
            p.put("bootstrap.servers", bootstrap);
            p.putIfAbsent("default.api.timeout.ms", "30000");
            p.putIfAbsent("request.timeout.ms", "5000");
            admin = Admin.create(p);
        }
        return admin;
    }

    static void reset() { if (admin != null) { Admin a = admin; admin = null; a.close(); } }

    static Producer<byte[], byte[]> producer(String id, String... kv) {
        return producers.computeIfAbsent(id, x -> {
            Properties p = new Properties();
            p.putAll(client);
            p.put("bootstrap.servers", bootstrap);
            p.put("linger.ms", "50");
            for (String s : kv) { int i = s.indexOf('='); p.put(s.substring(0, i), s.substring(i + 1)); }
            return new KafkaProducer<>(p, new ByteArraySerializer(), new ByteArraySerializer());
        });
    }

    static Map<String, String> pairs(String[] a, int from) {
        Map<String, String> m = new LinkedHashMap<>();
        for (int i = from; i < a.length; i++) { int e = a[i].indexOf('='); m.put(a[i].substring(0, e), a[i].substring(e + 1)); }
        return m;
    }

    static List<Integer> ints(String s) { return Arrays.stream(s.split(",")).map(Integer::valueOf).collect(Collectors.toList()); }

    static String run(String[] a) throws Exception {
        switch (a[0]) {
        case "bootstrap": bootstrap = a[1]; reset(); return "";
        case "client": client.putAll(pairs(a, 1)); reset(); return "";
        case "stop": for (kafka.server.KafkaRaftServer s : servers) { s.shutdown(); s.awaitShutdown(); } say("ok"); Runtime.getRuntime().halt(0); return "";
        case "down": { kafka.server.KafkaRaftServer s = servers.get(Integer.parseInt(a[1]) - 1); s.shutdown(); s.awaitShutdown(); return ""; }   // down N: Nth file, orderly
        case "up": { int i = Integer.parseInt(a[1]) - 1; servers.set(i, server(configs.get(i))); servers.get(i).startup(); return ""; }
        case "nodes":                                        // ids of the live brokers
            return admin().describeCluster().nodes().get().stream().map(n -> n.id()).sorted().map(String::valueOf).collect(Collectors.joining(" "));
        case "create": {                                     // create TOPIC PARTITIONS RF [k=v ...]; PARTITIONS like 1,2;2,1 = replica lists
            NewTopic t = a[2].contains(",") || a[2].contains(";")
                ? new NewTopic(a[1], assignment(a[2])) : new NewTopic(a[1], Integer.parseInt(a[2]), Short.parseShort(a[3]));
            t.configs(pairs(a, 4));
            CreateTopicsResult r = admin().createTopics(List.of(t));
            r.all().get();
            try { return r.topicId(a[1]).get().toString(); } catch (ExecutionException e) { return "-"; }   // brokers before 2.4
        }
        case "delete": admin().deleteTopics(List.of(a[1])).all().get(); return "";
        case "partitions": admin().createPartitions(Map.of(a[1], NewPartitions.increaseTo(Integer.parseInt(a[2])))).all().get(); return "";
        case "reassign":                                     // reassign TOPIC PARTITION 2,3,1
            admin().alterPartitionReassignments(Map.of(new TopicPartition(a[1], Integer.parseInt(a[2])),
                Optional.of(new NewPartitionReassignment(ints(a[3]))))).all().get(); return "";
        case "elect":                                        // elect preferred|unclean TOPIC PARTITION
            admin().electLeaders(a[1].equals("unclean") ? ElectionType.UNCLEAN : ElectionType.PREFERRED,
                Set.of(new TopicPartition(a[2], Integer.parseInt(a[3])))).all().get(); return "";
        case "truncate-before":                              // truncate-before TOPIC PARTITION OFFSET   (DeleteRecords)
            return "" + admin().deleteRecords(Map.of(new TopicPartition(a[1], Integer.parseInt(a[2])), RecordsToDelete.beforeOffset(Long.parseLong(a[3]))))
                .lowWatermarks().values().iterator().next().get().lowWatermark();
        case "config": {                                     // config topic|broker|group NAME k=v ...   (k= deletes; broker name "" = -)
            ConfigResource c = new ConfigResource(ConfigResource.Type.valueOf(a[1].toUpperCase(Locale.ROOT)), a[2].equals("-") ? "" : a[2]);
            List<AlterConfigOp> ops = new ArrayList<>();
            pairs(a, 3).forEach((k, v) -> ops.add(new AlterConfigOp(new ConfigEntry(k, v), v.isEmpty() ? AlterConfigOp.OpType.DELETE : AlterConfigOp.OpType.SET)));
            admin().incrementalAlterConfigs(Map.of(c, ops)).all().get(); return "";
        }
        case "quota": {                                      // quota user|client-id NAME k=v ...
            List<ClientQuotaAlteration.Op> ops = new ArrayList<>();
            pairs(a, 3).forEach((k, v) -> ops.add(new ClientQuotaAlteration.Op(k, v.isEmpty() ? null : Double.valueOf(v))));
            Map<String, String> e = new HashMap<>(); e.put(a[1], a[2].equals("-") ? null : a[2]);
            admin().alterClientQuotas(List.of(new ClientQuotaAlteration(new ClientQuotaEntity(e), ops))).all().get(); return "";
        }
        case "scram":                                        // scram USER SCRAM-SHA-256|SCRAM-SHA-512 PASSWORD [ITERATIONS]
            admin().alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(a[1],
                new ScramCredentialInfo(ScramMechanism.fromMechanismName(a[2]), a.length > 4 ? Integer.parseInt(a[4]) : 4096), a[3]))).all().get(); return "";
        case "acl": case "unacl": {                          // acl ALLOW|DENY User:NAME TOPIC|GROUP|CLUSTER NAME OPERATION
            AclBinding b = new AclBinding(new ResourcePattern(ResourceType.valueOf(a[3]), a[4], PatternType.LITERAL),
                new AccessControlEntry(a[2], "*", AclOperation.valueOf(a[5]), AclPermissionType.valueOf(a[1])));
            if (a[0].equals("acl")) admin().createAcls(List.of(b)).all().get(); else admin().deleteAcls(List.of(b.toFilter())).all().get();
            return "";
        }
        case "leader": {                                     // leader TOPIC -> p:leader/epoch isr=..;
            TopicDescription d = admin().describeTopics(List.of(a[1])).allTopicNames().get().get(a[1]);
            return d.topicId() + " " + d.partitions().stream().map(p -> p.partition() + ":" + (p.leader() == null ? -1 : p.leader().id()) + "/isr="
                + p.isr().stream().map(n -> "" + n.id()).collect(Collectors.joining(","))).collect(Collectors.joining(" "));
        }
        case "ends": {                                       // ends TOPIC PARTITION -> earliest latest
            TopicPartition tp = new TopicPartition(a[1], Integer.parseInt(a[2]));
            return admin().listOffsets(Map.of(tp, OffsetSpec.earliest())).partitionResult(tp).get().offset() + " "
                + admin().listOffsets(Map.of(tp, OffsetSpec.latest())).partitionResult(tp).get().offset();
        }
        case "coordinator": return "" + describe(a[1]).coordinator().id();
        case "group": {                                      // group NAME -> type protocol state members
            ConsumerGroupDescription d = describe(a[1]);
            return d.state() + " assignor=" + d.partitionAssignor() + " coordinator=" + d.coordinator().id() + " " + d.members().stream()
                .map(m -> m.consumerId() + "@" + m.clientId() + m.assignment().topicPartitions()).collect(Collectors.joining(" ")).replace(", ", ",");
        }
        case "committed": return new TreeMap<>(admin().listConsumerGroupOffsets(a[1]).partitionsToOffsetAndMetadata().get().entrySet().stream()
            .filter(e -> e.getValue() != null).collect(Collectors.toMap(e -> e.getKey().toString(), e -> e.getValue().offset()))).toString();
        case "commit": admin().alterConsumerGroupOffsets(a[1], Map.of(new TopicPartition(a[2], Integer.parseInt(a[3])), new OffsetAndMetadata(Long.parseLong(a[4])))).all().get(); return "";
        case "delete-group": admin().deleteConsumerGroups(List.of(a[1])).all().get(); return "";
        case "producer": producer(a[1], Arrays.copyOfRange(a, 2, a.length)); return "";    // producer ID compression.type=lz4 transactional.id=x ...
        case "send": {                                       // send ID TOPIC PARTITION COUNT VALUE_BYTES [FIRST_NUMBER]: key = number, value = "number:xxxx"
            Producer<byte[], byte[]> p = producer(a[1]);
            int n = Integer.parseInt(a[4]), size = Integer.parseInt(a[5]);
            long first = a.length > 6 ? Long.parseLong(a[6]) : 0;
            Integer part = a[3].equals("-") ? null : Integer.valueOf(a[3]);
            List<Future<RecordMetadata>> f = new ArrayList<>();
            for (long i = first; i < first + n; i++) {
                byte[] v = new byte[Math.max(size, (i + ":").length())];
                Arrays.fill(v, (byte) 'x');
                byte[] h = (i + ":").getBytes(StandardCharsets.UTF_8);
                System.arraycopy(h, 0, v, 0, h.length);
                f.add(p.send(new ProducerRecord<>(a[2], part, ("" + i).getBytes(StandardCharsets.UTF_8), v)));
            }
            p.flush();
            long lo = Long.MAX_VALUE, hi = -1;
            for (Future<RecordMetadata> x : f) { long o = x.get().offset(); lo = Math.min(lo, o); hi = Math.max(hi, o); }
            return lo + " " + hi;
        }
        case "txn-init": producer(a[1]).initTransactions(); return "";
        case "txn-begin": producer(a[1]).beginTransaction(); return "";
        case "txn-commit": producer(a[1]).commitTransaction(); return "";
        case "txn-abort": producer(a[1]).abortTransaction(); return "";
        case "close": { Producer<byte[], byte[]> p = producers.remove(a[1]); if (p != null) p.close(java.time.Duration.ZERO); return ""; }
        default: throw new IllegalArgumentException("unknown command " + a[0]);
        }
    }

    static ConsumerGroupDescription describe(String g) throws Exception { return admin().describeConsumerGroups(List.of(g)).all().get().get(g); }

    static Map<Integer, List<Integer>> assignment(String s) {
        Map<Integer, List<Integer>> m = new HashMap<>();
        String[] p = s.split(";");
        for (int i = 0; i < p.length; i++) m.put(i, ints(p[i]));
        return m;
    }
}
