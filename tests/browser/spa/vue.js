import { useHead } from "@unhead/vue";
import { createHead } from "@unhead/vue/client";
import { createApp, h, ref } from "vue";
import { createRouter, createWebHistory, RouterLink, RouterView } from "vue-router";

const page = (title) => ({
  setup() {
    useHead({ title });
    return () => h("h1", title);
  },
});

// Its title comes with its data, as from an API.
const slow = {
  setup() {
    const title = ref("loading");
    useHead({ title });
    setTimeout(() => (title.value = "Third"), 150);
    return () => h("h1", title.value);
  },
};

const router = createRouter({
  history: createWebHistory(),
  routes: [
    { path: "/", component: page("First") },
    { path: "/second", component: page("Second") },
    { path: "/third", component: slow },
    { path: "/old", redirect: "/second" },
  ],
});

const links = ["/", "/second", "/third", "/old"];
const shell = () => [links.map((to) => h(RouterLink, { to }, () => to)), h(RouterView)];

createApp(shell).use(createHead()).use(router).mount("#app");
