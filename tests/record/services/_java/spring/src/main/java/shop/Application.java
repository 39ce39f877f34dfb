package shop;

import java.sql.SQLException;
import javax.sql.DataSource;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.http.HttpStatus;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.ResponseStatus;
import org.springframework.web.bind.annotation.RestController;

/** The shop as a Spring Boot service; datasource-micrometer is on its class path and that is all. */
@SpringBootApplication
@RestController
public class Application {
    private final Shop shop;

    Application(DataSource pool) {
        shop = new Shop(pool);
    }

    public static void main(String[] arguments) {
        System.setProperty("spring.datasource.url", Database.URL);
        System.setProperty("spring.datasource.username", Database.USER);
        SpringApplication.run(Application.class, arguments);
    }

    @ExceptionHandler(SQLException.class)
    @ResponseStatus(HttpStatus.SERVICE_UNAVAILABLE)
    String unavailable(SQLException error) {
        return error.getMessage();
    }

    @GetMapping("/healthz")
    String health() {
        return "ok";
    }

    @GetMapping("/_labels")
    String labels() {
        return shop.ledger.labels();
    }

    @GetMapping("/_pool")
    String pool() {
        return shop.ledger.pool(Integer.parseInt(System.getenv("POOL_MAX")));
    }

    @GetMapping("/orders/{id}")
    String order(@PathVariable("id") int id) throws SQLException {
        return shop.order(id);
    }

    @PostMapping("/orders")
    String create() throws SQLException {
        return shop.create();
    }

    @PostMapping("/orders/{id}/pay")
    String pay(@PathVariable("id") int id, @RequestParam(name = "forget", defaultValue = "0") String forget) throws SQLException {
        return shop.pay(id, forget.equals("1"));
    }

    @GetMapping("/orders/export")
    String export(@RequestParam(name = "forget", defaultValue = "0") String forget) throws SQLException {
        return shop.export(forget.equals("1"));
    }

    @GetMapping("/orders/{id}/peek")
    String peek(@PathVariable("id") int id, @RequestParam(name = "forget", defaultValue = "0") String forget) throws SQLException {
        return shop.peek(id, forget.equals("1"));
    }

    @GetMapping("/slow")
    String slow(@RequestParam("seconds") double seconds) throws Exception {
        return shop.slow(seconds);
    }
}
