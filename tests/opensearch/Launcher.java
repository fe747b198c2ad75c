// One real OpenSearch node inside this JVM: what a distribution's start script does, without the distribution.
//
// usage: java -Dtapir.log=FILE -cp CONF:CLASSES:LIB/* Launcher PORT DATA
//   PORT  HTTP port on 127.0.0.1; 0 takes a free one
//   DATA  directory of the node's data, made when missing
//
// Prints "ready PORT" once the cluster is yellow or green. Ends when standard input closes or on SIGTERM, and
// closes the node first. Exit: 0 ended as asked, 1 not ready in time (what is wrong is on standard error), 2 usage.
//
// Compiles and runs with OpenSearch 2.19 (Java 17) and 3.x (Java 21).
//
// Limits: the node is made directly, so what the server's own main class does around it is left out: bootstrap
// checks, memory locking, the security manager. Plug-ins are those of the class path, not a plugins directory.

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.opensearch.Version;
import org.opensearch.action.admin.cluster.health.ClusterHealthResponse;
import org.opensearch.common.settings.Settings;
import org.opensearch.common.unit.TimeValue;
import org.opensearch.http.HttpServerTransport;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.plugins.PluginInfo;

public final class Launcher {
    private static final String NAME = "one";
    private static final TimeValue PATIENCE = TimeValue.timeValueSeconds(60);
    private static final long CLOSING_SECONDS = 10;

    // Modules that every distribution carries. Their classes end in Plugin in 2.x, in ModulePlugin from 3.0 on.
    private static final List<String> MODULES = List.of(
        "org.opensearch.transport.Netty4", "org.opensearch.analysis.common.CommonAnalysis",
        "org.opensearch.painless.Painless", "org.opensearch.index.mapper.MapperExtras",
        "org.opensearch.index.reindex.Reindex");

    public static void main(String[] args) throws InterruptedException {
        if (args.length != 2 || !args[0].matches("[0-9]{1,5}")) {
            System.err.println("usage: Launcher PORT DATA");
            System.exit(2);
        }
        CountDownLatch asked = new CountDownLatch(1);
        CountDownLatch closed = new CountDownLatch(1);
        // On SIGTERM the JVM ends when its hooks have: this one holds it until the node is closed.
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            asked.countDown();
            try {
                closed.await(CLOSING_SECONDS, TimeUnit.SECONDS);
            } catch (InterruptedException ended) {
                Thread.currentThread().interrupt();
            }
        }));
        Thread watch = new Thread(() -> {
            untilInputCloses();
            asked.countDown();
        }, "standard-input");
        watch.setDaemon(true);
        watch.start();
        int status = 0;
        try (Node node = new ClassPathNode(settings(args[0], Path.of(args[1]).toAbsolutePath()))) {
            node.start();
            System.out.println("ready " + portOnceUsable(node));
            System.out.flush();
            asked.await();
        } catch (Exception wrong) {
            System.err.println("opensearch: " + wrong);
            status = 1;
        } finally {
            closed.countDown();
        }
        System.exit(status);
    }

    private static int portOnceUsable(Node node) throws TimeoutException {
        ClusterHealthResponse health = node.client().admin().cluster().prepareHealth()
            .setWaitForYellowStatus().setTimeout(PATIENCE).get();
        if (health.isTimedOut()) {
            throw new TimeoutException("the cluster is " + health.getStatus() + " after " + PATIENCE);
        }
        return node.injector().getInstance(HttpServerTransport.class).boundAddress().publishAddress().getPort();
    }

    private static Settings settings(String port, Path data) {
        return Settings.builder()
            .put("cluster.name", "tapir-tests")
            .put("node.name", NAME)
            .put("path.home", data.toString())
            .put("path.data", data.resolve("data").toString())
            .put("path.logs", data.resolve("logs").toString())
            .put("network.host", "127.0.0.1")
            .put("http.port", port)
            .put("transport.port", "0")
            .put("discovery.type", "single-node")
            // A test machine's disk may be nearly full; that must not turn indices read-only.
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .build();
    }

    private static void untilInputCloses() {
        try {
            while (System.in.read() >= 0) { }
        } catch (IOException closed) {
            // Same meaning as its end.
        }
    }

    /** What Node wants to know of the modules: classes in 2.x, descriptions that name a class from 3.0 on. */
    private static Collection<Object> modules() throws ClassNotFoundException {
        List<Object> modules = new ArrayList<>();
        for (String module : MODULES) {
            if (Version.CURRENT.before(Version.fromString("3.0.0"))) {
                modules.add(Class.forName(module + "Plugin"));
            } else {
                String name = Class.forName(module + "ModulePlugin").getName();
                modules.add(new PluginInfo(name, "class path", "NA", Version.CURRENT, "21", name, null, List.of(), false));
            }
        }
        return modules;
    }

    private static final class ClassPathNode extends Node {
        @SuppressWarnings({"rawtypes", "unchecked"}) // the one constructor differs between the lines in this type only
        ClassPathNode(Settings settings) throws ClassNotFoundException {
            super(InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), null, () -> NAME),
                (Collection) modules(), true);
        }
    }
}
