package shop;

import io.opentelemetry.api.OpenTelemetry;
import javax.sql.DataSource;
import observed.ObservedDataSource;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.beans.factory.config.BeanPostProcessor;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Profile;

/** Every pool of the application says when a connection is taken and given back. */
@Configuration
@Profile("events")
class ObservedPools {
    @Bean
    static BeanPostProcessor observed(ObjectProvider<OpenTelemetry> telemetry) {
        return new BeanPostProcessor() {
            @Override
            public Object postProcessAfterInitialization(Object bean, String name) {
                return bean instanceof DataSource pool ? new ObservedDataSource(pool, name, telemetry.getObject()) : bean;
            }
        };
    }
}
